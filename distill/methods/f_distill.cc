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
namespace {

// The half that one of the two writers' responses count for.
ObjectiveSpec half(const ImitationOptions& imitation, const ComponentSpec& divergence,
                   const std::string& rows) {
  ImitationOptions options = imitation;
  return {{"imitation", options_of(options.bindings())}, {{{divergence, -1}}}, 0.5, rows};
}

}  // namespace

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

  ComponentSpec source = "pairs";
  std::vector<ObjectiveSpec> objectives;
  if (divergence == "kl" || divergence == "rkl") {
    const bool is_kl = divergence == "kl";
    RolloutOptions rollout{.actor = is_kl ? "teacher" : "student", .sampling = sampling};
    source = {"rollout", options_of(rollout.bindings())};
    const ComponentSpec term{is_kl ? "forward_kl" : "reverse_kl", options_of(common.bindings())};
    objectives = {{{"imitation", options_of(imitation.bindings())}, {{{term, -1}}}}};
  } else {
    PairsOptions pairs{.first = "teacher", .sampling = sampling};
    source = {"pairs", options_of(pairs.bindings())};
    SkewKlOptions to_mean{.alpha = 0.5, .divergence = common};
    SkewReverseKlOptions from_mean{.alpha = 0.5, .divergence = common};
    const ComponentSpec variation{"total_variation", options_of(common.bindings())};
    const bool is_js = divergence == "js";
    const ComponentSpec of_teacher =
        is_js ? ComponentSpec("skew_kl", options_of(to_mean.bindings())) : variation;
    const ComponentSpec of_student =
        is_js ? ComponentSpec("skew_reverse_kl", options_of(from_mean.bindings())) : variation;
    objectives = {half(imitation, of_teacher, "first"), half(imitation, of_student, "second")};
  }
  const AgentSpec agent{.source = source,
                        .actions = component(actions),
                        .learners = {{.trains = "student", .objectives = objectives}}};
  return {.stages = {{"f_distill", agent}}};
}

}  // namespace distill
