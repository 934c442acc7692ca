// Word-level knowledge distillation: the student follows the teacher's distribution at every token
// of written responses.
//
// Agent:  follows the dataset.
// Reward: minus a divergence to the teacher, and a share of the written token's log-probability,
//         both differentiated at every visited state (gamma = 0).
// Source: Hinton et al. 2015, arXiv:1503.02531; the three divergences as in Agarwal et al. 2024,
//         arXiv:2306.13649.

#include "distill/methods/methods.h"
#include "distill/methods/parts.h"

namespace distill {

MethodSpec kd(const Options& options) {
  NamedDivergence to_teacher;  // divergence; beta, scale (divergence: jsd); tail and temperatures
  double kd_ratio = 1;         // the teacher's share; the rest is the written token's, in [0, 1]
  Value actions = "all";       // the set that the divergence is taken on
  ImitationOptions imitation;  // average: over "tokens" or "sequences"
  bind(options, Bindings{{"kd_ratio", &kd_ratio}, {"actions", &actions}} + to_teacher.bindings() +
                    imitation.bindings());
  require(kd_ratio >= 0 && kd_ratio <= 1, options, "0 <= kd_ratio <= 1");
  to_teacher.check(options);
  imitation.check(options);

  RewardSpec reward{{{to_teacher.term(), -kd_ratio}}};
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
