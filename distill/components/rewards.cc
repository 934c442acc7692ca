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

// The prior and the policy as a convention compares them on the actions on offer.
rl::ops::Comparison compare(const rl::Opinion& opinion, Tail tail) {
  if (opinion.actions().is_full())
    return {opinion.prior_log_probs(), opinion.log_probs(), {}, {}, {}};
  const bool with_tail = tail == Tail::lump;
  return rl::ops::compare_on_set(opinion.prior_log_probs(), opinion.log_probs(),
                                 with_tail ? opinion.prior_tail_log_prob() : rl::Tensor(),
                                 with_tail ? opinion.tail_log_prob() : rl::Tensor(), tail);
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
    return factor * rl::ops::evaluate(divergence, compare(opinion, tail));
  };
}

rl::RewardTerm make_forward_kl(const Options& options) {
  return divergence_term({.kind = Divergence::Kind::forward_kl}, bound<DivergenceOptions>(options));
}

rl::RewardTerm make_reverse_kl(const Options& options) {
  return divergence_term({.kind = Divergence::Kind::reverse_kl}, bound<DivergenceOptions>(options));
}

// Minus the prior's mean of the policy's log-probabilities, in nats: the divergence and the entropy.
rl::RewardTerm make_cross_entropy(const Options& options) {
  const auto found = bound<DivergenceOptions>(options);
  const Divergence kl{.kind = Divergence::Kind::forward_kl};
  const double factor =
      found.scale_by_t2 ? found.teacher_temperature * found.student_temperature : 1.0;
  return [=, tail = tail_of(found.tail)](const rl::Opinion& opinion) {
    const rl::ops::Comparison compared =
        compare(opinion.at_temperature(found.student_temperature), tail);
    const auto one = [](const rl::Tensor& log_p) {
      return log_p.defined() ? torch::zeros_like(log_p) : log_p;
    };
    const rl::Tensor minus_entropy = rl::ops::forward_kl(
        compared.log_p, one(compared.log_p), compared.log_p_tail, one(compared.log_p_tail));
    return factor * (rl::ops::evaluate(kl, compared) - minus_entropy);
  };
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

struct RewardEntry {
  const char* name;
  rl::RewardTerm (*make)(const Options&);
};

constexpr RewardEntry kRewards[] = {
    {"cross_entropy", make_cross_entropy},   {"forward_kl", make_forward_kl}, {"jsd", make_jsd},
    {"log_likelihood", make_log_likelihood}, {"reverse_kl", make_reverse_kl},
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
