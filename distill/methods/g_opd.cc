// Generalised on-policy distillation: what the teacher has learned beyond a reference is followed further
// than the teacher went.
//
// Agent:  follows the student.
// Reward: lambda log p(a) + (1 - lambda) log ref(a) - log q(a) of each token taken; lambda = 1 is
//         on-policy distillation, whatever the reference.
// Source: Yang et al. 2026, "Learning beyond Teacher: Generalized On-Policy Distillation with Reward
//         Extrapolation", arXiv:2602.12125.

#include "distill/methods/methods.h"
#include "distill/methods/parts.h"

namespace distill {

MethodSpec g_opd(const Options& options) {
  TokenRewards tokens;   // discount, clip, epochs, episodes, sampling
  double lambda = 1.25;  // how far the way from the reference to the teacher is followed, >= 0
  Options reference;     // {path: folder}: a model; nothing: the student as it was at first
  bind(options, Bindings{{"lambda", &lambda}, {"reference", &reference}} + tokens.bindings());
  require(lambda >= 0, options, "lambda >= 0");
  tokens.check(options);

  RewardSpec paid;
  if (lambda != 1) {
    LogLikelihoodOfOptions of{.judge = to_options(ComponentSpec("reference", reference))};
    paid.terms = {{{"log_likelihood_of", options_of(of.bindings())}, 1 - lambda}};
  }
  return tokens.method("g_opd", {{{"log_prior", lambda}, {"log_likelihood", -1}}}, paid);
}

}  // namespace distill
