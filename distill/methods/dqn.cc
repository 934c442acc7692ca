// Deep Q-learning: the logits are values of actions and learn what the world pays.
//
// Agent:  plays its best action, or with probability epsilon any; learns from a replay.
// Reward: the world's own.
// Source: Mnih et al. 2015, "Human-level control through deep reinforcement learning",
//         doi:10.1038/nature14236; van Hasselt et al. 2016, arXiv:1509.06461 (double_q).

#include "distill/methods/methods.h"

namespace distill {

MethodSpec dqn(const Options& options) {
  SegmentsOptions segments{.worlds = 1, .steps = 4, .explore = "epsilon"};
  ReplayOptions memory{.capacity = 50000, .warm_up = 250};  // pieces of `steps` steps
  CopyTargetOptions target;
  TdOptions td;  // gamma, entropy, double_q, huber_delta, n_steps, lambda, ...
  bind(options, without(segments.bindings(), {"explore"}) + memory.bindings() +
                    Bindings{{"target_every", &target.every}} +  // updates between copies
                    without(td.bindings(), {"bootstrap", "sqil"}));
  segments.check(options);
  memory.check(options);
  require_choice(memory.prioritized, "prioritized: true", options, {"alpha", "beta"});
  require(target.every >= 1, options, "target_every >= 1");
  td.check(options);

  const AgentSpec agent{
      .source = {"segments", options_of(segments.bindings())},
      .memory = {"replay", options_of(memory.bindings())},
      .learners = {{.objectives = {{{"td", options_of(td.bindings())}}},
                    .target = {"copy", options_of(target.bindings())}}},
  };
  return {.stages = {{"dqn", agent}}};
}

}  // namespace distill
