#include <stdexcept>

#include "distill/component_options.h"
#include "distill/components/components.h"
#include "rl/ops/divergence.h"
#include "rl/torch.h"

namespace distill {
namespace {

using rl::ops::Divergence;
using rl::ops::Tail;

Tail tail_of(const std::string& name) {
  if (name == "drop") return Tail::drop;
  return name == "support" ? Tail::support : Tail::lump;
}

// The divergence between the prior and the policy, in nats.
rl::RewardTerm divergence_term(const Divergence& divergence, const DivergenceOptions& options) {
  const double factor =
      options.scale_by_t2 ? options.teacher_temperature * options.student_temperature : 1.0;
  const Tail tail = tail_of(options.tail);
  const double temperature = options.student_temperature;
  return [=](const rl::Opinion& found) {
    const rl::Opinion opinion = found.at_temperature(temperature);
    if (opinion.actions().is_full()) {
      return factor * rl::ops::divergence_from_logits(divergence, opinion.prior_log_probs(),
                                                      opinion.all_logits());
    }
    const bool with_tail = tail == Tail::lump;
    const rl::ops::Comparison compared =
        rl::ops::compare_on_set(opinion.prior_log_probs(), opinion.log_probs(),
                                with_tail ? opinion.prior_tail_log_prob() : rl::Tensor(),
                                with_tail ? opinion.tail_log_prob() : rl::Tensor(), tail);
    return factor * rl::ops::evaluate(divergence, compared);
  };
}

rl::RewardTerm make_forward_kl(const Options& options) {
  return divergence_term({.kind = Divergence::Kind::forward_kl}, bound<DivergenceOptions>(options));
}

rl::RewardTerm make_reverse_kl(const Options& options) {
  return divergence_term({.kind = Divergence::Kind::reverse_kl}, bound<DivergenceOptions>(options));
}

rl::RewardTerm make_jsd(const Options& options) {
  const auto jsd = bound<JsdOptions>(options);
  return divergence_term({.kind = Divergence::Kind::jsd, .beta = jsd.beta, .scale = jsd.scale},
                         jsd.divergence);
}

rl::RewardTerm make_log_likelihood(const Options& options) {
  static_cast<void>(bound<LogLikelihoodOptions>(options));
  return [](const rl::Opinion& opinion) { return opinion.action_log_prob(); };
}

rl::RewardTerm make_mse_logits(const Options& options) {
  static_cast<void>(bound<MseLogitsOptions>(options));
  return [](const rl::Opinion& opinion) {
    const rl::ActionSet& actions = opinion.actions();
    if (!actions.prior_features.defined()) {
      throw std::invalid_argument("mse_logits needs the teacher's logits of all actions");
    }
    const rl::Tensor prior = actions.prior_readout->logits(actions.prior_features);
    return (opinion.all_logits() - prior).square().mean(-1);
  };
}

struct RewardEntry {
  const char* name;
  rl::RewardTerm (*make)(const Options&);
};

constexpr RewardEntry kRewards[] = {
    {"forward_kl", make_forward_kl},         {"jsd", make_jsd},
    {"log_likelihood", make_log_likelihood}, {"mse_logits", make_mse_logits},
    {"reverse_kl", make_reverse_kl},
};

}  // namespace

rl::RewardTerm make_reward_term(const ComponentSpec& spec) {
  for (const RewardEntry& entry : kRewards) {
    if (spec.name == entry.name) return entry.make(spec.options);
  }
  throw ConfigError("there is no reward \"" + spec.name + "\"");
}

rl::Reward make_reward(const RewardSpec& spec) {
  rl::Reward reward;
  for (const RewardSpec::Term& part : spec.terms) {
    reward.terms.push_back({part.term.name, part.weight, make_reward_term(part.term)});
  }
  return reward;
}

}  // namespace distill
