// On-policy distillation: what the student writes is learned by how much likelier the teacher finds it.
//
// Agent:  follows the student.
// Reward: coefficient (log p(a) - log q(a)) of each token taken, a sample of minus the reverse KL; a token
//         is credited with its own reward, and by `discount` with those that follow.
// Source: Thinking Machines Lab 2025, "On-Policy Distillation"; the surrogate and the coefficient as in
//         their tinker-cookbook.

#include "distill/methods/methods.h"
#include "distill/methods/parts.h"

namespace distill {

MethodSpec on_policy(const Options& options) {
  TokenRewards tokens;     // discount, clip, epochs, episodes, sampling
  double coefficient = 1;  // of the reward, beside what a world pays; > 0
  bind(options, Bindings{{"coefficient", &coefficient}} + tokens.bindings());
  require(coefficient > 0, options, "coefficient > 0");
  tokens.check(options);

  return tokens.method("on_policy",
                       {{{"log_prior", coefficient}, {"log_likelihood", -coefficient}}});
}

}  // namespace distill
