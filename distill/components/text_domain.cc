#include "distill/components/text_domain.h"

#include <utility>

#include "envs/token/example_loader.h"
#include "envs/token/token_environment.h"
#include "rl/torch.h"

namespace distill {

std::unique_ptr<rl::Source> Domain::groups(const GroupsOptions&) const {
  throw ConfigError("source groups: there are no labelled texts here");
}

std::shared_ptr<const rl::Payer> Domain::payer(const std::string& name) const {
  throw ConfigError("payer " + name + ": nobody here pays it");
}

ConfigError has_no(const std::string& domain, const std::string& what, const ComponentSpec& named) {
  return error_at(named.options.mark, domain + " has no " + what + " \"" + named.name + "\"");
}

agents::SamplingOptions sampling_of(const SamplingOptions& options) {
  return {options.temperature, options.top_k, options.top_p, options.min_p};
}

TextDomain::TextDomain(TextDomainOptions options) : options_(std::move(options)) {}

// All sources of an agent see the examples in the same order.
envs::ExampleOf TextDomain::shuffled() const {
  auto loader = std::make_shared<envs::ExampleLoader>(
      options_.examples, envs::ExampleLoaderOptions{.seed = options_.seed});
  return [loader](int64_t episode) { return loader->at(episode); };
}

std::shared_ptr<rl::PolicyModel> TextDomain::model(const std::string& name) const {
  if (name == "student") return std::make_shared<agents::LanguageModel>(options_.student);
  throw has_no("text", "model", name);
}

std::shared_ptr<agents::LmTeacher> TextDomain::lm_judge(const ComponentSpec& judge,
                                                        const agents::OfferOptions& offer) const {
  if (judge.name == "teacher") {
    return std::make_shared<agents::LmTeacher>(options_.teacher, offer);
  }
  if (judge.name == "student") {
    return std::make_shared<agents::LmTeacher>(options_.student, offer);
  }
  throw has_no("text", "judge", judge);
}

std::shared_ptr<const rl::Prior> TextDomain::judge(const ComponentSpec& judge,
                                                   const agents::OfferOptions& offer) const {
  return lm_judge(judge, offer);
}

std::shared_ptr<const rl::Readout> TextDomain::judge_readout(
    const ComponentSpec& judge, const agents::OfferOptions& offer) const {
  if (offer.kind != agents::OfferOptions::Kind::all) return nullptr;
  return lm_judge(judge, offer)->readout();
}

std::unique_ptr<rl::Source> TextDomain::dataset() const {
  return std::make_unique<envs::DatasetSource>(shuffled());
}

std::unique_ptr<rl::Source> TextDomain::rollout(const RolloutOptions& options) const {
  const bool is_student = options.actor == "student";
  const agents::Decoder actor = is_student ? options_.student : options_.teacher;
  const agents::SamplingOptions sampling = sampling_of(options.sampling);
  const envs::ExampleOf example_of = shuffled();
  const auto stage = [&] {
    const envs::TokenEnvironmentOptions environment{.vocabulary_size = actor->vocabulary_size(),
                                                    .end_ids = options_.end_ids,
                                                    .max_new_tokens = options_.max_new_tokens};
    const auto prompt_of = [=](int64_t episode) {
      return example_of(episode / options.group_size).prompt;
    };
    return rl::Rollout::Stage{
        std::make_unique<envs::TokenEnvironment>(environment, prompt_of),
        std::make_unique<agents::LanguageModelActor>(actor, sampling, options_.max_new_tokens,
                                                     options_.seed, options.actor)};
  };
  // Only text drawn from the student as it is can be compared with what the learner recomputes.
  return std::make_unique<rl::Rollout>(stage, options_.threads, is_student && sampling.is_plain());
}

std::unique_ptr<rl::Source> TextDomain::segments(const SegmentsOptions&) const {
  throw ConfigError("source segments: an answer is learned from as a whole; use rollout");
}

}  // namespace distill
