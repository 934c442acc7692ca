// LLMR: the teacher's logits are taken for action values, and the student learns the reward that they imply.
//
// Agent:  follows the student.
// Reward: Q(s, a) - discount max Q(s'), with Q the teacher's logits; returns without a baseline.
// Source: Hao, Liu & Mou 2022, arXiv:2210.08708 (LMReward); Li, Hao & Mou 2024, arXiv:2409.12500 (LLMR);
//         Fan et al. 2025, arXiv:2504.19024 (steps: KETCHUP).

#include "distill/methods/methods.h"

namespace distill {

MethodSpec llmr(const Options& options) {
  InverseBellmanOptions reward{.gauge = "centered"};  // value, gauge, steps
  double discount = 1;                                // in [0, 1]
  double reward_scale = 1;                            // > 0
  double importance_clip = 0;      // largest weight of stale steps, >= 0; 0: no weights
  double entropy_coefficient = 0;  // of the student's entropy, >= 0
  OnPolicyMemoryOptions memory;    // epochs, episodes
  SamplingOptions sampling;        // how the student writes
  TokenGradientOptions gradient{.gradient = {.baseline = "none", .normalize = false}};
  bind(options, without(reward.bindings(), {"judge", "entropy", "gamma"}) +
                    Bindings{{"discount", &discount},
                             {"reward_scale", &reward_scale},
                             {"advantage_clip", &gradient.advantage_clip},
                             {"importance_clip", &importance_clip},
                             {"entropy_coefficient", &entropy_coefficient}} +
                    memory.bindings() + sampling.bindings());
  require_one_of(reward.value, {"hard", "expectation"}, options, "value");
  require(reward_scale > 0, options, "reward_scale > 0");
  require(discount >= 0 && discount <= 1, options, "0 <= discount <= 1");
  reward.gamma = gradient.gradient.gamma = discount;
  gradient.gradient.importance_clip = importance_clip;
  gradient.gradient.entropy_coefficient = entropy_coefficient;
  reward.check(options);
  gradient.check(options);
  memory.check(options);
  sampling.check(options);

  RolloutOptions rollout{.sampling = sampling};
  const AgentSpec agent{
      .source = {"rollout", options_of(rollout.bindings())},
      .paid = {{{{"inverse_bellman", options_of(reward.bindings())}, reward_scale}}},
      .memory = {"on_policy", options_of(memory.bindings())},
      .learners = {{.objectives = {{{"policy_gradient", options_of(gradient.bindings())}}}}},
  };
  return {.stages = {{"llmr", agent}}};
}

}  // namespace distill
