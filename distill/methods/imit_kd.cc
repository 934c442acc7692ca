// ImitKD: forward KL at states that the student visits more and more often.
//
// Agent:  follows the dataset at first, the student at last.
// Reward: minus KL(teacher, student), differentiated at every visited state (gamma = 0).
// Source: Lin et al. 2020, "Autoregressive Knowledge Distillation through Imitation Learning",
//         arXiv:2009.07253.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec imit_kd(const Options& options) {
  MixOptions mix{.student_fraction = {0, 1}};  // share of the student's own responses, in [0, 1]
  Value actions = "all";                       // the set that the divergence is taken on
  Value memory = "on_policy";                  // "replay" learns from a response more than once
  DivergenceOptions divergence;                // tail and temperatures
  ImitationOptions imitation;                  // average: over "tokens" or "sequences"
  bind(options, mix.bindings() + Bindings{{"actions", &actions}, {"memory", &memory}} +
                    divergence.bindings() + imitation.bindings());
  mix.check(options);
  divergence.check(options);
  imitation.check(options);

  const RewardSpec reward{{{{"forward_kl", options_of(divergence.bindings())}, -1}}};
  const AgentSpec agent{
      .source = {"mix", options_of(mix.bindings())},
      .actions = component(actions),
      .memory = component(memory),
      .learners = {{.trains = "student",
                    .objectives = {{{"imitation", options_of(imitation.bindings())}, reward}}}},
  };
  return {.stages = {{"imit_kd", agent}}};
}

}  // namespace distill
