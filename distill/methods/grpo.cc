// Group relative policy optimisation: an episode is compared with others that began alike.
//
// Agent:  plays whole episodes by its own policy, in groups that begin alike.
// Reward: the world's own.
// Source: Shao et al. 2024, "DeepSeekMath", arXiv:2402.03300.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec grpo(const Options& options) {
  OnPolicyOptions memory;  // epochs
  PolicyGradientOptions gradient{.baseline = "group", .group_size = 8, .clip = 0.2};
  bind(options,
       memory.bindings() + without(gradient.bindings(), {"lambda", "baseline", "importance_clip",
                                                         "value_clip", "value_coefficient"}));
  memory.check(options);
  gradient.check(options);

  RolloutOptions rollout{.group_size = gradient.group_size, .sampling = {}};
  const AgentSpec agent{
      .source = {"rollout", options_of(rollout.bindings())},
      .memory = {"on_policy", options_of(memory.bindings())},
      .learners = {{.objectives = {{{"policy_gradient", options_of(gradient.bindings())}}}}},
  };
  return {.stages = {{"grpo", agent}}};
}

}  // namespace distill
