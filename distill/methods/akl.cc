// AKL: forward and reverse KL to the teacher, weighed token by token by where the two differ.
//
// Agent:  follows the dataset, and by `student_fraction` the student.
// Reward: minus w KL(p, q) + (1 - w) KL(q, p), differentiated at every visited state (gamma = 0); w is
//         the share of sum |p - q| that the teacher's likeliest tokens have, and a constant.
// Source: Wu et al. 2024, "Rethinking Kullback-Leibler Divergence in Knowledge Distillation for Large
//         Language Models", arXiv:2404.02657.

#include "distill/methods/methods.h"
#include "distill/methods/parts.h"

namespace distill {

MethodSpec akl(const Options& options) {
  OnMixture on{
      .mix = {.student_fraction = {0, 0}}};  // the student's share; actions, memory, average
  AklOptions divergence;                     // mu, the mass of the head; tail and temperatures
  bind(options, on.bindings() + divergence.bindings());
  on.check(options);
  divergence.check(options);
  return on.method("akl", {"akl", options_of(divergence.bindings())});
}

}  // namespace distill
