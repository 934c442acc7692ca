#include "distill/component_options.h"
#include "distill/components/components.h"
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

std::shared_ptr<const rl::Payer> make_log_likelihood_of(const Options& options,
                                                        const Context& context) {
  const auto found = bound<LogLikelihoodOfOptions>(options);
  return std::make_shared<LogLikelihoodOf>(context.domain.judge(component(found.judge), {}),
                                           context);
}

struct PayerEntry {
  const char* name;
  std::shared_ptr<const rl::Payer> (*make)(const Options&, const Context&);
};

constexpr PayerEntry kPayers[] = {
    {"log_likelihood_of", make_log_likelihood_of},
};

}  // namespace

std::shared_ptr<const rl::Payer> make_payer(const ComponentSpec& spec, const Context& context) {
  for (const PayerEntry& entry : kPayers) {
    if (spec.name == entry.name) return entry.make(spec.options, context);
  }
  throw ConfigError("there is no payer \"" + spec.name + "\"");
}

}  // namespace distill
