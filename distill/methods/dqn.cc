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
  ReplayOptions memory{.capacity = 50000};  // pieces of `steps` steps
  CopyTargetOptions target;
  int64_t target_every = target.every;  // updates between copies into the target network
  TdOptions td;                         // gamma, entropy, double_q, huber_delta
  bind(options, Bindings{{"worlds", &segments.worlds},
                         {"steps", &segments.steps},
                         {"epsilon", &segments.epsilon},
                         {"explore_share", &segments.explore_share},
                         {"target_every", &target_every}} +
                    memory.bindings() + td.bindings());
  segments.check(options);
  memory.check(options);
  td.check(options);
  require(target_every >= 1, options, "target_every >= 1");
  target.every = target_every;

  const AgentSpec agent{
      .source = {"segments", options_of(segments.bindings())},
      .memory = {"replay", options_of(memory.bindings())},
      .learners = {{.trains = "student",
                    .objectives = {{{"td", options_of(td.bindings())}}},
                    .target = {"copy", options_of(target.bindings())}}},
  };
  return {.stages = {{"dqn", agent}}};
}

}  // namespace distill
