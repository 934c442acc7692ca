// ABKD: the alpha-beta divergence to the teacher, at written responses or at the student's own.
//
// Agent:  follows the dataset, and by `student_fraction` the student.
// Reward: minus the alpha-beta divergence, differentiated at every visited state (gamma = 0): the
//         advantage q^(beta - 1) (p^alpha - q^alpha) / alpha of every action.
// Source: Wang et al. 2025, "ABKD: Pursuing a Proper Allocation of the Probability Mass in Knowledge
//         Distillation via alpha-beta-Divergence", arXiv:2505.04560.

#include "distill/methods/methods.h"
#include "distill/methods/parts.h"

namespace distill {

MethodSpec ab_kd(const Options& options) {
  OnMixture on{
      .mix = {.student_fraction = {0, 0}}};  // the student's share; actions, memory, average
  AlphaBetaOptions divergence;               // alpha, beta; tail and temperatures
  bind(options, on.bindings() + divergence.bindings());
  on.check(options);
  divergence.check(options);
  return on.method("ab_kd", {"alpha_beta", options_of(divergence.bindings())});
}

}  // namespace distill
