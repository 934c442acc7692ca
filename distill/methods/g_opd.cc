// Generalised on-policy distillation: what the teacher has learned beyond a reference is followed further
// than the teacher went.
//
// Agent:  follows the student.
// Reward: lambda log p(a) + (1 - lambda) log ref(a) - log q(a) of each token taken; lambda = 1 is
//         on-policy distillation, whatever the reference.
// Source: Yang et al. 2026, "Learning beyond Teacher: Generalized On-Policy Distillation with Reward
//         Extrapolation", arXiv:2602.12125.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec g_opd(const Options& options) {
  double lambda = 1.25;  // how far the way from the reference to the teacher is followed, >= 0
  Options reference;     // {path: folder}: a model; nothing: the student as it was at first
  double discount = 0;   // of the rewards that follow, in [0, 1]
  double clip = 0;       // of the probability ratio, >= 0; 0: none
  OnPolicyMemoryOptions memory;  // epochs, episodes
  SamplingOptions sampling;      // how the student writes
  bind(options, Bindings{{"lambda", &lambda},
                         {"reference", &reference},
                         {"discount", &discount},
                         {"clip", &clip}} +
                    memory.bindings() + sampling.bindings());
  require(lambda >= 0, options, "lambda >= 0");
  require(discount >= 0 && discount <= 1, options, "0 <= discount <= 1");
  require(clip >= 0, options, "clip >= 0");
  memory.check(options);
  sampling.check(options);

  RewardSpec paid;
  if (lambda != 1) {
    LogLikelihoodOfOptions of{.judge = to_options(ComponentSpec("reference", reference))};
    paid.terms = {{{"log_likelihood_of", options_of(of.bindings())}, 1 - lambda}};
  }
  TokenGradientOptions gradient{
      .gradient = {.gamma = discount, .baseline = "none", .clip = clip, .normalize = false},
      .ratio = clip == 0};
  RolloutOptions rollout{.sampling = sampling};
  const RewardSpec reward{{{"log_prior", lambda}, {"log_likelihood", -1}}};
  const AgentSpec agent{
      .source = {"rollout", options_of(rollout.bindings())},
      .paid = paid,
      .memory = {"on_policy", options_of(memory.bindings())},
      .learners = {{.objectives = {{{"policy_gradient", options_of(gradient.bindings())},
                                    reward}}}},
  };
  return {.stages = {{"g_opd", agent}}};
}

}  // namespace distill
