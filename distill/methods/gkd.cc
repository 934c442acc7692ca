// Generalised knowledge distillation: a divergence to the teacher at the states that the student
// itself visits, and at those of written responses.
//
// Agent:  follows the student with probability lambda, else the dataset.
// Reward: minus JSD(beta) between teacher and student, differentiated at every visited state
//         (gamma = 0); how the student came there is not differentiated.
// Source: Agarwal et al. 2024, "On-Policy Distillation of Language Models", arXiv:2306.13649.

#include "distill/methods/methods.h"
#include "distill/methods/parts.h"

namespace distill {

MethodSpec gkd(const Options& options) {
  OnMixture on;               // actions, memory, average
  Ramp lambda = {0.5, 0.5};   // share of the student's own responses, in [0, 1]
  std::string per = "batch";  // what lambda decides on: a whole "batch", or each "example"
  SamplingOptions sampling;   // how the student writes
  JsdOptions jsd;             // beta, 0 <= beta <= 1: 0 forward KL, 1 reverse KL
  bind(options,
       Bindings{
           {"lambda", &lambda}, {"per", &per}, {"actions", &on.actions}, {"memory", &on.memory}} +
           sampling.bindings() + jsd.bindings() + on.imitation.bindings());
  require(lambda.from >= 0 && lambda.from <= 1 && lambda.to >= 0 && lambda.to <= 1, options,
          "0 <= lambda <= 1");
  require(jsd.beta >= 0 && jsd.beta <= 1, options, "0 <= beta <= 1");
  on.mix = {.student_fraction = lambda, .per = per, .sampling = sampling};
  on.check(options);
  jsd.divergence.check(options);
  return on.method("gkd", generalized_jsd(jsd));
}

}  // namespace distill
