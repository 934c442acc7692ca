#include <functional>
#include <utility>
#include <vector>

#include "distill/component_options.h"
#include "distill/components/components.h"
#include "distill/self_bleu.h"
#include "rl/batching.h"
#include "rl/opinion.h"
#include "rl/torch.h"

namespace distill {
namespace {

// A judge's log-probability of each action taken.
class LogLikelihoodOf : public rl::Payer {
 public:
  LogLikelihoodOf(std::shared_ptr<const rl::Prior> judge, const Context& context)
      : judge_(std::move(judge)),
        threads_(context.threads),
        part_tokens_(context.micro_batch_tokens) {}

  rl::Tensor pay(const rl::Trajectory& trajectory) const override {
    const auto judged = [&](const rl::Trajectory& part) {
      torch::NoGradGuard no_grad;
      const rl::ActionSet said = judge_->judge(part);
      const bool on_demand = said.prior_features.defined();
      const rl::PolicyOutput output{on_demand ? said.prior_features : said.prior_log_probs,
                                    on_demand ? *said.prior_readout : rl::Readout(),
                                    {}};
      return part.with_note("paid", rl::map_states(output, part, part.mask, [](const auto& o) {
                              return o.action_log_prob();
                            }));
    };
    return rl::map_parts(trajectory, part_tokens_, threads_, judged).notes.at("paid");
  }

 private:
  std::shared_ptr<const rl::Prior> judge_;
  rl::Threads threads_;
  int64_t part_tokens_;
};

// The actor's log-probability of each action taken less a judge's.
class LogRatio : public rl::Payer {
 public:
  LogRatio(std::shared_ptr<const rl::Prior> judge, const Context& context)
      : judge_(std::move(judge), context) {}

  rl::Tensor pay(const rl::Trajectory& trajectory) const override {
    return trajectory.behavior_log_prob - judge_.pay(trajectory);
  }

 private:
  LogLikelihoodOf judge_;
};

// A number for each row, from the tokens written in it, paid at its last step.
class AtTheEnd : public rl::Payer {
 public:
  using Texts = std::vector<std::vector<int64_t>>;
  explicit AtTheEnd(std::function<std::vector<double>(const Texts&)> worth)
      : worth_(std::move(worth)) {}

  rl::Tensor pay(const rl::Trajectory& trajectory) const override {
    const std::vector<double> found = worth_(written_ids(trajectory));
    return at_last_step(trajectory, torch::tensor(found, torch::kFloat32));
  }

 private:
  std::function<std::vector<double>(const Texts&)> worth_;
};

std::shared_ptr<const rl::Payer> make_log_likelihood_of(const Options& options,
                                                        const Context& context) {
  const auto found = bound<LogLikelihoodOfOptions>(options);
  return std::make_shared<LogLikelihoodOf>(context.domain.judge(component(found.judge), {}),
                                           context);
}

std::shared_ptr<const rl::Payer> make_log_ratio(const Options& options, const Context& context) {
  const auto found = bound<LogRatioOptions>(options);
  return std::make_shared<LogRatio>(context.domain.judge(component(found.judge), {}), context);
}

std::shared_ptr<const rl::Payer> make_intended_label(const Options& options,
                                                     const Context& context) {
  static_cast<void>(bound<IntendedLabelOptions>(options));
  return context.domain.payer("intended_label");
}

std::shared_ptr<const rl::Payer> make_length_outside(const Options& options, const Context&) {
  const auto band = bound<LengthOutsideOptions>(options);
  return std::make_shared<AtTheEnd>([band](const AtTheEnd::Texts& texts) {
    std::vector<double> outside;
    for (const auto& text : texts) {
      const auto length = static_cast<int64_t>(text.size());
      outside.push_back(length < band.shortest || length > band.longest ? 1 : 0);
    }
    return outside;
  });
}

std::shared_ptr<const rl::Payer> make_self_bleu(const Options& options, const Context&) {
  const int64_t order = bound<SelfBleuOptions>(options).order;
  return std::make_shared<AtTheEnd>(
      [order](const AtTheEnd::Texts& texts) { return self_bleu(texts, order); });
}

struct PayerEntry {
  const char* name;
  std::shared_ptr<const rl::Payer> (*make)(const Options&, const Context&);
};

constexpr PayerEntry kPayers[] = {
    {"intended_label", make_intended_label},
    {"length_outside", make_length_outside},
    {"log_likelihood_of", make_log_likelihood_of},
    {"log_ratio", make_log_ratio},
    {"self_bleu", make_self_bleu},
};

}  // namespace

rl::Tensor at_last_step(const rl::Trajectory& trajectory, const rl::Tensor& values) {
  const rl::Tensor column = torch::arange(trajectory.length(), trajectory.action.options());
  const rl::Tensor last = (trajectory.step_counts() - 1).unsqueeze(1) == column.unsqueeze(0);
  return values.to(trajectory.reward.options()).unsqueeze(1) * last;
}

std::vector<std::vector<int64_t>> written_ids(const rl::Trajectory& trajectory) {
  const rl::Tensor action = trajectory.action.to(torch::kCPU).contiguous();
  const rl::Tensor mask = trajectory.mask.to(torch::kCPU).contiguous();
  std::vector<std::vector<int64_t>> rows(static_cast<size_t>(trajectory.size()));
  for (int64_t i = 0; i < action.numel(); ++i) {
    if (!mask.data_ptr<bool>()[i]) continue;
    rows[static_cast<size_t>(i / trajectory.length())].push_back(action.data_ptr<int64_t>()[i]);
  }
  return rows;
}

std::shared_ptr<const rl::Payer> make_payer(const ComponentSpec& spec, const Context& context) {
  for (const PayerEntry& entry : kPayers) {
    if (spec.name == entry.name) return entry.make(spec.options, context);
  }
  throw ConfigError("there is no payer \"" + spec.name + "\"");
}

}  // namespace distill
