// AKL: forward and reverse KL to the teacher, weighed token by token by where the two differ.
//
// Agent:  follows the dataset, and by `student_fraction` the student.
// Reward: minus w KL(p, q) + (1 - w) KL(q, p), differentiated at every visited state (gamma = 0); w is
//         the share of sum |p - q| that the teacher's likeliest tokens have, and a constant.
// Source: Wu et al. 2024, "Rethinking Kullback-Leibler Divergence in Knowledge Distillation for Large
//         Language Models", arXiv:2404.02657.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec akl(const Options& options) {
  MixOptions mix{.student_fraction = {0, 0}};  // share of the student's own responses, in [0, 1]
  Value actions = "all";                       // the set that the divergence is taken on
  Value memory = "on_policy";                  // "replay" learns from a response more than once
  AklOptions divergence;                       // mu, the mass of the head; tail and temperatures
  ImitationOptions imitation;                  // average: over "tokens" or "sequences"
  bind(options, mix.bindings() + Bindings{{"actions", &actions}, {"memory", &memory}} +
                    divergence.bindings() + imitation.bindings());
  mix.check(options);
  divergence.check(options);
  imitation.check(options);

  const RewardSpec reward{{{{"akl", options_of(divergence.bindings())}, -1}}};
  const AgentSpec agent{
      .source = {"mix", options_of(mix.bindings())},
      .actions = component(actions),
      .memory = component(memory),
      .learners = {{.trains = "student",
                    .objectives = {{{"imitation", options_of(imitation.bindings())}, reward}}}},
  };
  return {.stages = {{"akl", agent}}};
}

}  // namespace distill
