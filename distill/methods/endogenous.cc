// Endogenous rewards: a language model's logits are the soft values of a reward that it has inside.
//
// Agent:  follows the student, or groups of its answers to one prompt.
// Reward: Q(s, a) - gamma e logsumexp(Q(s') / e), with Q the teacher's logits; any baseline.
// Source: Li et al. 2025, "Generalist Reward Models: Found Inside Large Language Models", arXiv:2506.23235.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec endogenous(const Options& options) {
  InverseBellmanOptions reward{.value = "soft"};  // entropy (e), gauge
  double student_entropy = 0;    // of -log q(a), paid beside; 1 makes it the reverse KL; >= 0
  OnPolicyMemoryOptions memory;  // epochs, episodes
  SamplingOptions sampling;      // how the student writes
  PolicyGradientOptions gradient{.gamma = 1, .baseline = "batch"};
  bind(options, Bindings{{"student_entropy", &student_entropy}} +
                    without(reward.bindings(), {"judge", "value", "gamma", "steps"}) +
                    memory.bindings() + sampling.bindings() + gradient.bindings());
  require(student_entropy >= 0, options, "student_entropy >= 0");
  require_choice(gradient.baseline == "value", "baseline: value", options,
                 {"lambda", "value_clip", "value_coefficient"});
  reward.gamma = gradient.gamma;
  gradient.check(options);
  reward.check(options);
  memory.check(options);
  sampling.check(options);

  RewardSpec own;
  if (student_entropy > 0) own.terms = {{"log_likelihood", -student_entropy}};
  RolloutOptions rollout{.group_size = gradient.group_size, .sampling = sampling};
  const AgentSpec agent{
      .source = {"rollout", options_of(rollout.bindings())},
      .paid = {{{{"inverse_bellman", options_of(reward.bindings())}, 1}}},
      .memory = {"on_policy", options_of(memory.bindings())},
      .learners = {{.objectives = {{{"policy_gradient", options_of(gradient.bindings())}, own}}}},
  };
  return {.stages = {{"endogenous", agent}}};
}

}  // namespace distill
