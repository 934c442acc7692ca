#include "distill/components/label_domain.h"

#include <utility>

#include "rl/torch.h"

namespace distill {

using rl::Tensor;

namespace {

// What the teacher once said of the texts, looked up by their numbers.
class Remembered : public rl::Prior {
 public:
  Remembered(const LabelDomainOptions& options, double temperature)
      : log_probs_((options.log_probs / temperature).log_softmax(-1)),
        embeddings_(options.embeddings) {}

  rl::ActionSet judge(const rl::Trajectory& trajectory) const override {
    const Tensor item = trajectory.notes.at("item");
    const auto look_up = [&](const Tensor& table) {
      return table.index_select(0, item.flatten().to(table.device()))
          .unflatten(0, item.sizes())
          .to(item.device());
    };
    return {{}, look_up(log_probs_), {}, look_up(embeddings_), nullptr};
  }

 private:
  Tensor log_probs_, embeddings_;
};

}  // namespace

LabelDomain::LabelDomain(LabelDomainOptions options) : options_(std::move(options)) {}

std::shared_ptr<rl::PolicyModel> LabelDomain::model(const std::string& name) const {
  if (name == "student") return options_.student;
  throw has_no("a task of labels", "model", name);
}

std::shared_ptr<const rl::Prior> LabelDomain::judge(const ComponentSpec& judge,
                                                    const agents::OfferOptions& offer) const {
  if (judge.name != "teacher" || !options_.log_probs.defined()) {
    throw has_no("a task of labels", "judge", judge);
  }
  return std::make_shared<Remembered>(options_, offer.temperature);
}

std::shared_ptr<const rl::Readout> LabelDomain::judge_readout(const ComponentSpec&,
                                                              const agents::OfferOptions&) const {
  return nullptr;
}

std::unique_ptr<rl::Source> LabelDomain::dataset() const { return groups({.size = 1}); }

std::unique_ptr<rl::Source> LabelDomain::groups(const GroupsOptions& options) const {
  return std::make_unique<envs::LabelSource>(options_.texts, options.size, options_.seed);
}

std::unique_ptr<rl::Source> LabelDomain::rollout(const RolloutOptions&) const {
  throw ConfigError("source rollout: labelled texts are read, not written; use groups");
}

std::unique_ptr<rl::Source> LabelDomain::segments(const SegmentsOptions&) const {
  throw ConfigError("source segments: labelled texts are no world; use groups");
}

}  // namespace distill
