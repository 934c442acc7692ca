// Proximal policy optimisation: learn what the world pays.
//
// Agent:  plays pieces of episodes by its own policy and learns from each a few times.
// Reward: the world's own.
// Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms", arXiv:1707.06347.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec ppo(const Options& options) {
  SegmentsOptions segments{.worlds = 8, .steps = 128};  // copies of the world, and steps of each
  OnPolicyOptions memory{.epochs = 4};
  PolicyGradientOptions gradient{.clip = 0.2};  // gamma, lambda, clip, ...
  bind(options, Bindings{{"worlds", &segments.worlds}, {"steps", &segments.steps}} +
                    memory.bindings() + without(gradient.bindings(), {"baseline", "group_size"}));
  segments.check(options);
  memory.check(options);
  gradient.check(options);

  const AgentSpec agent{
      .source = {"segments", options_of(segments.bindings())},
      .memory = {"on_policy", options_of(memory.bindings())},
      .learners = {{.objectives = {{{"policy_gradient", options_of(gradient.bindings())}}}}},
  };
  return {.stages = {{"ppo", agent}}};
}

}  // namespace distill
