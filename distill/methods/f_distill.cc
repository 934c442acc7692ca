// f-DISTILL: sequence-level divergences, each estimated on the responses that it speaks of.
//
// Agent:  follows the teacher (kl), the student (rkl), or both, prompt by prompt (js, tvd).
// Reward: minus the step-wise part of the divergence, differentiated at every visited state
//         (gamma = 0): KL(p, q) on the teacher's responses, KL(q, p) on the student's; js: KL(p, m) on the
//         teacher's and KL(q, m) on the student's, half and half, m = (p + q) / 2; tvd: the total
//         variation on both, half and half.
// Source: Wen et al. 2023, "f-Divergence Minimization for Sequence-Level Knowledge Distillation",
//         arXiv:2307.15190.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec f_distill(const Options& options) {
  std::string divergence = "js";  // or "kl", "rkl", "tvd"
  Value actions = "all";          // the set that the divergence is taken on
  SamplingOptions sampling;       // how the teacher and the student write
  DivergenceOptions common;       // tail and temperatures
  ImitationOptions imitation;     // average: over "tokens" or "sequences"
  bind(options, Bindings{{"divergence", &divergence}, {"actions", &actions}} + sampling.bindings() +
                    common.bindings() + imitation.bindings());
  require_one_of(divergence, {"kl", "rkl", "js", "tvd"}, options, "divergence");
  sampling.check(options);
  common.check(options);
  imitation.check(options);

  const auto imitated = [&](const char* term, Bindings its_options, double weight,
                            const char* rows) {
    return ObjectiveSpec{{"imitation", options_of(imitation.bindings())},
                         {{{{term, options_of(its_options)}, -1}}},
                         weight,
                         rows};
  };
  PairsOptions pairs{.first = "teacher", .sampling = sampling};
  RolloutOptions rollout{.actor = divergence == "kl" ? "teacher" : "student", .sampling = sampling};
  const bool one_writes = divergence == "kl" || divergence == "rkl";
  SkewKlOptions mean{.alpha = 0.5, .divergence = common};
  std::vector<ObjectiveSpec> objectives;
  if (divergence == "kl") {
    objectives = {imitated("forward_kl", common.bindings(), 1, "all")};
  } else if (divergence == "rkl") {
    objectives = {imitated("reverse_kl", common.bindings(), 1, "all")};
  } else if (divergence == "js") {
    objectives = {imitated("skew_kl", mean.bindings(), 0.5, "first"),
                  imitated("skew_reverse_kl", mean.bindings(), 0.5, "second")};
  } else {
    objectives = {imitated("total_variation", common.bindings(), 0.5, "first"),
                  imitated("total_variation", common.bindings(), 0.5, "second")};
  }
  const AgentSpec agent{.source = one_writes
                                      ? ComponentSpec("rollout", options_of(rollout.bindings()))
                                      : ComponentSpec("pairs", options_of(pairs.bindings())),
                        .actions = component(actions),
                        .learners = {{.trains = "student", .objectives = objectives}}};
  return {.stages = {{"f_distill", agent}}};
}

}  // namespace distill
