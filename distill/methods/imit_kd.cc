// ImitKD: forward KL at states that the student visits more and more often.
//
// Agent:  follows the dataset at first, the student at last.
// Reward: minus KL(teacher, student), differentiated at every visited state (gamma = 0).
// Source: Lin et al. 2020, "Autoregressive Knowledge Distillation through Imitation Learning",
//         arXiv:2009.07253.

#include "distill/methods/methods.h"
#include "distill/methods/parts.h"

namespace distill {

MethodSpec imit_kd(const Options& options) {
  OnMixture on{
      .mix = {.student_fraction = {0, 1}}};  // the student's share; actions, memory, average
  DivergenceOptions divergence;              // tail and temperatures
  bind(options, on.bindings() + divergence.bindings());
  on.check(options);
  divergence.check(options);
  return on.method("imit_kd", {"forward_kl", options_of(divergence.bindings())});
}

}  // namespace distill
