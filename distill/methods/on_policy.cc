// On-policy distillation: what the student writes is learned by how much likelier the teacher finds it.
//
// Agent:  follows the student.
// Reward: coefficient (log p(a) - log q(a)) of each token taken, a sample of minus the reverse KL; a token
//         is credited with its own reward, and by `discount` with those that follow.
// Source: Thinking Machines Lab 2025, "On-Policy Distillation"; the surrogate and the coefficient as in
//         their tinker-cookbook.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec on_policy(const Options& options) {
  double discount = 0;           // of the rewards that follow, in [0, 1]
  double coefficient = 1;        // of the reward, beside what a world pays; > 0
  double clip = 0;               // of the probability ratio, >= 0; 0: none
  OnPolicyMemoryOptions memory;  // epochs, episodes
  SamplingOptions sampling;      // how the student writes
  bind(options, Bindings{{"discount", &discount}, {"coefficient", &coefficient}, {"clip", &clip}} +
                    memory.bindings() + sampling.bindings());
  require(discount >= 0 && discount <= 1, options, "0 <= discount <= 1");
  require(coefficient > 0, options, "coefficient > 0");
  require(clip >= 0, options, "clip >= 0");
  memory.check(options);
  sampling.check(options);

  TokenGradientOptions gradient{
      .gradient = {.gamma = discount, .baseline = "none", .clip = clip, .normalize = false},
      .ratio = clip == 0};
  RolloutOptions rollout{.sampling = sampling};
  const RewardSpec reward{{{"log_prior", coefficient}, {"log_likelihood", -coefficient}}};
  const AgentSpec agent{
      .source = {"rollout", options_of(rollout.bindings())},
      .memory = {"on_policy", options_of(memory.bindings())},
      .learners = {{.objectives = {{{"policy_gradient", options_of(gradient.bindings())},
                                    reward}}}},
  };
  return {.stages = {{"on_policy", agent}}};
}

}  // namespace distill
