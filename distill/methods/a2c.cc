// Advantage actor-critic: learn what the world pays, from a few steps at a time.
//
// Agent:  plays pieces of episodes by its own policy and learns from each once.
// Reward: the world's own.
// Source: Mnih et al. 2016, "Asynchronous Methods for Deep Reinforcement Learning", arXiv:1602.01783.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec a2c(const Options& options) {
  SegmentsOptions segments{.worlds = 16, .steps = 8};  // copies of the world, and steps of each
  PolicyGradientOptions gradient{.lambda = 1, .normalize = false};
  bind(options, Bindings{{"worlds", &segments.worlds}, {"steps", &segments.steps}} +
                    without(gradient.bindings(), {"baseline", "group_size", "clip"}));
  segments.check(options);
  gradient.check(options);

  const AgentSpec agent{
      .source = {"segments", options_of(segments.bindings())},
      .learners = {{.objectives = {{{"policy_gradient", options_of(gradient.bindings())}}}}},
  };
  return {.stages = {{"a2c", agent}}};
}

}  // namespace distill
