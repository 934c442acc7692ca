// ABKD: the alpha-beta divergence to the teacher, at written responses or at the student's own.
//
// Agent:  follows the dataset, and by `student_fraction` the student.
// Reward: minus the alpha-beta divergence, differentiated at every visited state (gamma = 0): the
//         advantage q^(beta - 1) (p^alpha - q^alpha) / alpha of every action.
// Source: Wang et al. 2025, "ABKD: Pursuing a Proper Allocation of the Probability Mass in Knowledge
//         Distillation via alpha-beta-Divergence", arXiv:2505.04560.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec ab_kd(const Options& options) {
  MixOptions mix{.student_fraction = {0, 0}};  // share of the student's own responses, in [0, 1]
  Value actions = "all";                       // the set that the divergence is taken on
  Value memory = "on_policy";                  // "replay" learns from a response more than once
  AlphaBetaOptions divergence;                 // alpha, beta; tail and temperatures
  ImitationOptions imitation;                  // average: over "tokens" or "sequences"
  bind(options, mix.bindings() + Bindings{{"actions", &actions}, {"memory", &memory}} +
                    divergence.bindings() + imitation.bindings());
  mix.check(options);
  divergence.check(options);
  imitation.check(options);

  const RewardSpec reward{{{{"alpha_beta", options_of(divergence.bindings())}, -1}}};
  const AgentSpec agent{
      .source = {"mix", options_of(mix.bindings())},
      .actions = component(actions),
      .memory = component(memory),
      .learners = {{.trains = "student",
                    .objectives = {{{"imitation", options_of(imitation.bindings())}, reward}}}},
  };
  return {.stages = {{"ab_kd", agent}}};
}

}  // namespace distill
