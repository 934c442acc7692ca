#include <stdexcept>

#include "distill/component_options.h"
#include "distill/components/components.h"
#include "rl/compared.h"
#include "rl/losses/contrast.h"
#include "rl/ops/divergence.h"
#include "rl/ops/ranking.h"
#include "rl/torch.h"

namespace distill {
namespace {

using rl::ops::Divergence;
using rl::ops::Tail;

Tail tail_of(const std::string& name) {
  if (name == "drop") return Tail::drop;
  return name == "support" ? Tail::support : Tail::lump;
}

double scale_of(const DivergenceOptions& options) {
  return options.scale_by_t2 ? options.teacher_temperature * options.student_temperature : 1.0;
}

// The divergence between the prior and the policy, in nats.
rl::RewardTerm divergence_term(const Divergence& divergence, const DivergenceOptions& options) {
  const double factor = scale_of(options), temperature = options.student_temperature;
  const Tail tail = tail_of(options.tail);
  return [=](const rl::Opinion& opinion) {
    if (opinion.actions().is_full()) {
      return factor *
             rl::ops::divergence_from_logits(divergence, opinion.prior_log_probs(),
                                             opinion.at_temperature(temperature).all_logits());
    }
    return factor * rl::ops::evaluate(divergence, rl::compared(opinion, tail, temperature));
  };
}

// The same, with the share of the mixture that a curriculum has noted down, where there is one.
rl::RewardTerm skew_term(const Divergence& divergence, const DivergenceOptions& options) {
  const auto constant = divergence_term(divergence, options);
  const double factor = scale_of(options), temperature = options.student_temperature;
  const Tail tail = tail_of(options.tail);
  return [=](const rl::Opinion& opinion) {
    const rl::Tensor* alpha = opinion.note(rl::kSkewNote);
    if (alpha == nullptr) return constant(opinion);
    const auto [p, q, p_tail, q_tail, penalty] = rl::compared(opinion, tail, temperature);
    const rl::Tensor value =
        divergence.kind == Divergence::Kind::skew_kl
            ? rl::ops::skew_kl(p, q, *alpha, p_tail, q_tail)
            : rl::ops::skew_reverse_kl(p, q, *alpha, divergence.detach_mixture, p_tail, q_tail);
    return factor * (penalty.defined() ? value + penalty : value);
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
  const double factor = scale_of(found), temperature = found.student_temperature;
  return [=, tail = tail_of(found.tail)](const rl::Opinion& opinion) {
    const rl::ops::Comparison compared = rl::compared(opinion, tail, temperature);
    const auto one = [](const rl::Tensor& log_p) {
      return log_p.defined() ? torch::zeros_like(log_p) : log_p;
    };
    const rl::Tensor minus_entropy = rl::ops::forward_kl(
        compared.log_p, one(compared.log_p), compared.log_p_tail, one(compared.log_p_tail));
    return factor *
           (rl::ops::evaluate({.kind = Divergence::Kind::forward_kl}, compared) - minus_entropy);
  };
}

rl::RewardTerm make_jsd(const Options& options) {
  const auto jsd = bound<JsdOptions>(options);
  return divergence_term({.kind = Divergence::Kind::jsd, .beta = jsd.beta, .scale = jsd.scale},
                         jsd.divergence);
}

rl::RewardTerm make_skew_kl(const Options& options) {
  const auto skew = bound<SkewKlOptions>(options);
  return skew_term({.kind = Divergence::Kind::skew_kl, .alpha = skew.alpha}, skew.divergence);
}

rl::RewardTerm make_skew_reverse_kl(const Options& options) {
  const auto skew = bound<SkewReverseKlOptions>(options);
  return skew_term({.kind = Divergence::Kind::skew_reverse_kl,
                    .alpha = skew.alpha,
                    .detach_mixture = skew.detach_mixture},
                   skew.divergence);
}

rl::RewardTerm make_total_variation(const Options& options) {
  return divergence_term({.kind = Divergence::Kind::total_variation},
                         bound<DivergenceOptions>(options));
}

rl::RewardTerm make_alpha_beta(const Options& options) {
  const auto found = bound<AlphaBetaOptions>(options);
  return divergence_term(
      {.kind = Divergence::Kind::alpha_beta, .beta = found.beta, .alpha = found.alpha},
      found.divergence);
}

rl::RewardTerm make_akl(const Options& options) {
  const auto found = bound<AklOptions>(options);
  return divergence_term({.kind = Divergence::Kind::akl, .mu = found.mu}, found.divergence);
}

// Tokens whose order is compared. On a reduced set both sides choose within it.
rl::ops::Union top_of(const rl::Opinion& opinion, int64_t k) {
  return rl::ops::union_of_top(opinion.prior_log_probs(), opinion.logits(), k);
}

rl::RewardTerm make_ranking(const Options& options) {
  return [k = bound<RankingOptions>(options).k](const rl::Opinion& opinion) {
    return rl::ops::rank_disagreement(opinion.prior_log_probs(), opinion.logits(),
                                      top_of(opinion, k));
  };
}

rl::RewardTerm make_overlapping(const Options& options) {
  const auto found = bound<OverlappingOptions>(options);
  return [k = found.k,
          divergence = make_reward_term(component(found.divergence))](const rl::Opinion& opinion) {
    return top_of(opinion, k).overlap * divergence(opinion);
  };
}

rl::RewardTerm make_log_likelihood(const Options& options) {
  static_cast<void>(bound<LogLikelihoodOptions>(options));
  return [](const rl::Opinion& opinion) { return opinion.action_log_prob(); };
}

rl::RewardTerm make_log_prior(const Options& options) {
  static_cast<void>(bound<LogPriorOptions>(options));
  return [](const rl::Opinion& opinion) {
    return opinion.prior_log_probs().gather(-1, opinion.slot().unsqueeze(-1)).squeeze(-1);
  };
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
    {"akl", make_akl},
    {"alpha_beta", make_alpha_beta},
    {"cross_entropy", make_cross_entropy},
    {"forward_kl", make_forward_kl},
    {"jsd", make_jsd},
    {"log_likelihood", make_log_likelihood},
    {"log_prior", make_log_prior},
    {"mse_logits", make_mse_logits},
    {"overlapping", make_overlapping},
    {"ranking", make_ranking},
    {"reverse_kl", make_reverse_kl},
    {"skew_kl", make_skew_kl},
    {"skew_reverse_kl", make_skew_reverse_kl},
    {"total_variation", make_total_variation},
};

}  // namespace

rl::RewardTerm make_reward_term(const ComponentSpec& spec) {
  for (const RewardEntry& entry : kRewards) {
    if (spec.name == entry.name) return entry.make(spec.options);
  }
  throw ConfigError("there is no reward \"" + spec.name + "\"");
}

rl::Taid::Term make_interpolated_term(const DivergenceOptions& options) {
  const double factor = scale_of(options), temperature = options.student_temperature;
  const Tail tail = tail_of(options.tail);
  return [=](const rl::Opinion& opinion, double t) {
    const auto [p, q, p_tail, q_tail, penalty] = rl::compared(opinion, tail, temperature);
    const rl::Tensor value = rl::ops::interpolated_cross_entropy(p, q, t, p_tail, q_tail);
    return factor * (penalty.defined() ? value + penalty : value);
  };
}

rl::Reward make_reward(const RewardSpec& spec) {
  rl::Reward reward;
  for (const RewardSpec::Term& part : spec.terms) {
    reward.terms.push_back({part.term.name, part.weight, make_reward_term(part.term)});
  }
  return reward;
}

}  // namespace distill
