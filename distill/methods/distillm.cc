// DistiLLM: a skew divergence to the teacher, on as much of the student's own text as it turns out to
// need.
//
// Agent:  follows the dataset; the student by a share that grows whenever the held-out loss has risen.
//         What the student wrote is kept and learned from again.
// Reward: minus KL(p, alpha p + (1 - alpha) q) or KL(q, (1 - alpha) p + alpha q), differentiated at
//         every visited state (gamma = 0).
// Source: Ko et al. 2024, "DistiLLM: Towards Streamlined Distillation for Large Language Models",
//         arXiv:2402.03898.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec distillm(const Options& options) {
  std::string divergence = "skew_kl";  // or "skew_reverse_kl"
  Value actions = "all";               // the set that the divergence is taken on
  AdaptiveMixOptions mix;              // share, schedule and memory of the student's own responses
  SkewKlOptions skew;                  // alpha, the other side's share of the mixture; temperatures
  ImitationOptions imitation;          // average: over "tokens" or "sequences"
  bind(options, Bindings{{"divergence", &divergence}, {"actions", &actions}} + mix.bindings() +
                    skew.bindings() + imitation.bindings());
  require_one_of(divergence, {"skew_kl", "skew_reverse_kl"}, options, "divergence");
  mix.check(options);
  skew.check(options);
  imitation.check(options);

  const RewardSpec reward{{{{divergence, options_of(skew.bindings())}, -1}}};
  const AgentSpec agent{
      .source = {"adaptive_mix", options_of(mix.bindings())},
      .actions = component(actions),
      .learners = {{.trains = "student",
                    .objectives = {{{"imitation", options_of(imitation.bindings())}, reward}}}},
  };
  return {.stages = {{"distillm", agent}}};
}

}  // namespace distill
