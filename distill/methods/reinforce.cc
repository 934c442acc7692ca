// REINFORCE: episodes that paid more than others become likelier.
//
// Agent:  plays whole episodes by its own policy and learns from each once.
// Reward: the world's own.
// Source: Williams 1992, "Simple statistical gradient-following algorithms for connectionist
//         reinforcement learning", doi:10.1007/BF00992696.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec reinforce(const Options& options) {
  PolicyGradientOptions gradient{.baseline = "batch"};
  bind(options, without(gradient.bindings(), {"lambda", "group_size", "clip", "importance_clip",
                                              "value_clip", "value_coefficient", "max_kl"}));
  require_one_of(gradient.baseline, {"batch", "none"}, options, "baseline");
  gradient.check(options);

  RolloutOptions rollout{.group_size = gradient.group_size, .sampling = {}};
  const AgentSpec agent{
      .source = {"rollout", options_of(rollout.bindings())},
      .learners = {{.objectives = {{{"policy_gradient", options_of(gradient.bindings())}}}}},
  };
  return {.stages = {{"reinforce", agent}}};
}

}  // namespace distill
