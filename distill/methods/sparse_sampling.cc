// Sparse sampling: at every token a few draws from the teacher stand for its distribution, without bias.
//
// Agent:  follows the dataset.
// Reward: minus KL(c, q) with c the share of the draws that each token had, and a share of the written
//         token's log-probability, both differentiated at every visited state (gamma = 0).
// Source: Anshumann et al. 2025, "Sparse Logit Sampling: Accelerating Knowledge Distillation in LLMs",
//         arXiv:2503.16870.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec sparse_sampling(const Options& options) {
  SampledOptions sampled;        // draws per token
  double kd_ratio = 1;           // the teacher's share; the rest is the written token's, in [0, 1]
  DivergenceOptions divergence;  // temperatures
  ImitationOptions imitation;    // average: over "tokens" or "sequences"
  bind(options, sampled.bindings() + Bindings{{"kd_ratio", &kd_ratio}} +
                    without(divergence.bindings(), {"tail"}) + imitation.bindings());
  require(kd_ratio >= 0 && kd_ratio <= 1, options, "0 <= kd_ratio <= 1");
  sampled.check(options);
  divergence.check(options);
  imitation.check(options);

  RewardSpec reward{{{{"forward_kl", options_of(divergence.bindings())}, -kd_ratio}}};
  if (kd_ratio < 1) reward.terms.push_back({"log_likelihood", 1 - kd_ratio});
  const AgentSpec agent{
      .source = "dataset",
      .actions = {"sampled", options_of(sampled.bindings())},
      .learners = {{.trains = "student",
                    .objectives = {{{"imitation", options_of(imitation.bindings())}, reward}}}},
  };
  return {.stages = {{"sparse_sampling", agent}}};
}

}  // namespace distill
