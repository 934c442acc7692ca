// Generalised knowledge distillation: a divergence to the teacher at the states that the student
// itself visits, and at those of written responses.
//
// Agent:  follows the student with probability lambda, else the dataset.
// Reward: minus JSD(beta) between teacher and student, differentiated at every visited state
//         (gamma = 0); how the student came there is not differentiated.
// Source: Agarwal et al. 2024, "On-Policy Distillation of Language Models", arXiv:2306.13649.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec gkd(const Options& options) {
  Ramp lambda = {0.5, 0.5};    // share of the student's own responses, in [0, 1]
  std::string per = "batch";   // what lambda decides on: a whole "batch", or each "example"
  Value actions = "all";       // the set that the divergence is taken on
  Value memory = "on_policy";  // "replay" learns from a response more than once
  SamplingOptions sampling;    // how the student writes
  JsdOptions jsd;              // beta, 0 <= beta <= 1: 0 forward KL, 1 reverse KL
  ImitationOptions imitation;  // average: over "tokens" or "sequences"
  bind(options,
       Bindings{{"lambda", &lambda}, {"per", &per}, {"actions", &actions}, {"memory", &memory}} +
           sampling.bindings() + jsd.bindings() + imitation.bindings());
  require(lambda.from >= 0 && lambda.from <= 1 && lambda.to >= 0 && lambda.to <= 1, options,
          "0 <= lambda <= 1");
  require(jsd.beta >= 0 && jsd.beta <= 1, options, "0 <= beta <= 1");
  require_one_of(per, {"batch", "example"}, options, "per");
  sampling.check(options);
  jsd.divergence.check(options);
  imitation.check(options);

  MixOptions mix{.student_fraction = lambda, .per = per, .sampling = sampling};
  const RewardSpec reward{{{generalized_jsd(jsd), -1}}};
  const AgentSpec agent{
      .source = {"mix", options_of(mix.bindings())},
      .actions = component(actions),
      .memory = component(memory),
      .learners = {{.trains = "student",
                    .objectives = {{{"imitation", options_of(imitation.bindings())}, reward}}}},
  };
  return {.stages = {{"gkd", agent}}};
}

}  // namespace distill
