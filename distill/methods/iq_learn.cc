// Inverse soft Q-learning: the Q-values under whose rewards the demonstrations are the best behaviour.
//
// Agent:  follows demonstrations, and by `student_share` also itself; learns from a replay.
// Reward: none is given; the one implied, Q(s, a) - gamma V(s'), is regularised.
// Source: Garg et al. 2021, "IQ-Learn: Inverse soft-Q Learning for Imitation", arXiv:2106.12142.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec iq_learn(const Options& options) {
  double student_share = 0;                // of the episodes learned from, in [0, 1)
  SamplingOptions sampling;                // how the student acts
  ReplayOptions memory{.capacity = 1000};  // episodes
  SoftTdOptions td{.alpha = 0.5, .gauge = "raw"};
  bind(options, Bindings{{"student_share", &student_share}} + sampling.bindings() +
                    without(memory.bindings(), {"alpha", "beta", "prioritized"}) +
                    without(td.bindings(), {"tail", "out_of_set", "own_steps"}));
  require(student_share >= 0 && student_share < 1, options, "0 <= student_share < 1");
  require_choice(student_share > 0, "student_share > 0", options,
                 {"chi2_on_own", "temperature", "top_k", "top_p", "min_p"});
  require_choice(td.gauge != "raw", "another gauge", options, {"q_min"});
  require_choice(td.chi2, "chi2: true", options, {"alpha"});
  sampling.check(options);
  memory.check(options);
  td.own_steps = student_share > 0;
  td.check(options);

  MixOptions mix{
      .student_fraction = {student_share, student_share}, .per = "example", .sampling = sampling};
  const AgentSpec agent{
      .source = student_share == 0 ? "dataset" : ComponentSpec("mix", options_of(mix.bindings())),
      .memory = {"replay", options_of(memory.bindings())},
      .learners = {{.objectives = {{{"soft_td", options_of(td.bindings())}}}}},
  };
  return {.stages = {{"iq_learn", agent}}};
}

}  // namespace distill
