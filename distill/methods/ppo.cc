// Proximal policy optimisation: learn what the world pays.
//
// Agent:  plays pieces of episodes by its own policy and learns from each a few times.
// Reward: the world's own.
// Source: Schulman et al. 2017, "Proximal Policy Optimization Algorithms", arXiv:1707.06347.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec ppo(const Options& options) {
  int64_t worlds = 8;   // that are played side by side
  int64_t steps = 128;  // of each before it is learned from
  OnPolicyOptions memory{.epochs = 4};
  PpoOptions
      ppo;  // gamma, lambda, clip, value_clip, value_coefficient, entropy_coefficient, normalize
  bind(options,
       Bindings{{"worlds", &worlds}, {"steps", &steps}} + memory.bindings() + ppo.bindings());
  SegmentsOptions segments{.worlds = worlds, .steps = steps};
  segments.check(options);
  memory.check(options);
  ppo.check(options);

  const AgentSpec agent{
      .source = {"segments", options_of(segments.bindings())},
      .memory = {"on_policy", options_of(memory.bindings())},
      .learners = {{.trains = "student", .objectives = {{{"ppo", options_of(ppo.bindings())}}}}},
  };
  return {.stages = {{"ppo", agent}}};
}

}  // namespace distill
