// Soft Q imitation learning: steps of the demonstrations earn 1, the student's own earn 0.
//
// Agent:  half the time follows demonstrations, half the time acts by itself; learns from a replay.
// Reward: 1 or 0; the world's own is not looked at. The logits are soft Q-values.
// Source: Reddy et al. 2020, "SQIL: Imitation Learning via Reinforcement Learning with Sparse Rewards",
//         arXiv:1905.11108.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec sqil(const Options& options) {
  SamplingOptions sampling;                // how the student acts
  ReplayOptions memory{.capacity = 1000};  // episodes
  CopyTargetOptions target{.every = 50};
  TdOptions td{.entropy = 1, .huber_delta = 0, .sqil = true};
  bind(options, sampling.bindings() + memory.bindings() +
                    Bindings{{"target_every", &target.every}} +  // updates between copies
                    without(td.bindings(), {"bootstrap", "double_q", "random_share", "sqil"}));
  sampling.check(options);
  memory.check(options);
  require_choice(memory.prioritized, "prioritized: true", options, {"alpha", "beta"});
  require(target.every >= 1, options, "target_every >= 1");
  td.check(options);

  MixOptions mix{.student_fraction = {0.5, 0.5}, .per = "example", .sampling = sampling};
  const AgentSpec agent{
      .source = {"mix", options_of(mix.bindings())},
      .memory = {"replay", options_of(memory.bindings())},
      .learners = {{.objectives = {{{"td", options_of(td.bindings())}}},
                    .target = {"copy", options_of(target.bindings())}}},
  };
  return {.stages = {{"sqil", agent}}};
}

}  // namespace distill
