// Word-level knowledge distillation: the student follows the teacher's distribution at every token
// of written responses.
//
// Agent:  follows the dataset.
// Reward: minus a divergence to the teacher, and a share of the written token's log-probability,
//         both differentiated at every visited state (gamma = 0).
// Source: Hinton et al. 2015, arXiv:1503.02531; the three divergences as in Agarwal et al. 2024,
//         arXiv:2306.13649.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec kd(const Options& options) {
  std::string divergence = "forward_kl";  // or "reverse_kl", "jsd"
  double kd_ratio = 1;                    // the teacher's share; the rest is the written token's
  Value actions = "all";                  // the set that the divergence is taken on
  JsdOptions jsd;                         // beta, scale (divergence: jsd); tail and temperatures
  ImitationOptions imitation;             // average: over "tokens" or "sequences"
  bind(options,
       Bindings{{"divergence", &divergence}, {"kd_ratio", &kd_ratio}, {"actions", &actions}} +
           jsd.bindings() + imitation.bindings());
  require_one_of(divergence, {"forward_kl", "reverse_kl", "jsd"}, options, "divergence");
  require(kd_ratio >= 0 && kd_ratio <= 1, options, "0 <= kd_ratio <= 1");
  require(divergence == "jsd" || !(options.has("beta") || options.has("scale")), options,
          "divergence: jsd where beta or scale is set");
  jsd.check(options);
  imitation.check(options);

  RewardSpec reward;
  if (divergence == "jsd") {
    reward.terms = {{generalized_jsd(jsd), -kd_ratio}};
  } else {
    reward.terms = {{{divergence, options_of(jsd.divergence.bindings())}, -kd_ratio}};
  }
  if (kd_ratio < 1) reward.terms.push_back({"log_likelihood", 1 - kd_ratio});
  const AgentSpec agent{
      .source = "dataset",
      .actions = component(actions),
      .learners = {{.trains = "student",
                    .objectives = {{{"imitation", options_of(imitation.bindings())}, reward}}}},
  };
  return {.stages = {{"kd", agent}}};
}

}  // namespace distill
