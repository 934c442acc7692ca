// REINFORCE with a leave-one-out baseline: an episode is compared with the others of its group.
//
// Agent:  plays whole episodes by its own policy, in groups that begin alike.
// Reward: the world's own.
// Source: Ahmadian et al. 2024, "Back to Basics", arXiv:2402.14740; Kool et al. 2019.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec rloo(const Options& options) {
  PolicyGradientOptions gradient{.baseline = "leave_one_out", .group_size = 8, .normalize = false};
  bind(options, without(gradient.bindings(), {"lambda", "baseline", "clip", "importance_clip",
                                              "value_clip", "value_coefficient", "max_kl"}));
  gradient.check(options);

  RolloutOptions rollout{.group_size = gradient.group_size, .sampling = {}};
  const AgentSpec agent{
      .source = {"rollout", options_of(rollout.bindings())},
      .learners = {{.objectives = {{{"policy_gradient", options_of(gradient.bindings())}}}}},
  };
  return {.stages = {{"rloo", agent}}};
}

}  // namespace distill
