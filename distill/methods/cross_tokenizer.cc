// A teacher with a tokenizer of its own: the two are compared where their tokens stand for the same text.
//
// Agent:  follows the student with probability lambda, else the dataset.
// Reward: minus a distance to the teacher at the places that both reach, and the written token's
//         log-probability, differentiated (gamma = 0). "uld" compares sorted probabilities of the n-th
//         tokens; "gold" spans of the same bytes, tokens that both have by a JSD, the others sorted.
// Source: Boizard et al. 2024, arXiv:2402.12030 (uld); Patiño et al. 2025, "Unlocking On-Policy
//         Distillation for Any Model Family", as in TRL's GOLD (gold).

#include "distill/methods/methods.h"

namespace distill {

MethodSpec cross_tokenizer(const Options& options) {
  std::string form = "uld";          // or "gold"
  double ce_weight = 1;              // of the written token's cross-entropy, >= 0
  double kd_weight = 1.5;            // of the distance, > 0
  Ramp lambda = {0, 0};              // share of the student's own responses, in [0, 1]
  std::string per = "batch";         // what lambda decides on: a whole "batch", or each "example"
  SamplingOptions sampling;          // how the student writes
  ForeignTeacherJudgeOptions judge;  // gold: merge, of several tokens; teacher_temperature
  AlignedOptions aligned;            // gold: beta, matched_weight; student_temperature, average
  bind(options, Bindings{{"form", &form},
                         {"ce_weight", &ce_weight},
                         {"kd_weight", &kd_weight},
                         {"lambda", &lambda},
                         {"per", &per}} +
                    without(judge.bindings(), {"align"}) +
                    without(aligned.bindings(), {"distance"}) + sampling.bindings());
  require_one_of(form, {"uld", "gold"}, options, "form");
  require_one_of(per, {"batch", "example"}, options, "per");
  require(ce_weight >= 0, options, "ce_weight >= 0");
  require(kd_weight > 0, options, "kd_weight > 0");
  require(lambda.from >= 0 && lambda.from <= 1 && lambda.to >= 0 && lambda.to <= 1, options,
          "0 <= lambda <= 1");
  require_choice(form == "gold", "form: gold", options, {"merge", "beta", "matched_weight"});
  judge.align = form == "gold" ? "bytes" : "positions";
  aligned.distance = form == "gold" ? "hybrid" : "sorted";
  judge.check(options);
  aligned.check(options);
  sampling.check(options);

  MixOptions mix{.student_fraction = lambda, .per = per, .sampling = sampling};
  ImitationOptions imitation{.average = aligned.average};
  std::vector<ObjectiveSpec> objectives = {
      {.loss = {"aligned", options_of(aligned.bindings())}, .weight = kd_weight}};
  if (ce_weight > 0) {
    const RewardSpec written{{{"log_likelihood", 1}}};
    objectives.push_back(
        {{"imitation", options_of(imitation.bindings())}, written, ce_weight, "first"});
  }
  const AgentSpec agent{
      .source = {"mix", options_of(mix.bindings())},
      .judge = {"foreign_teacher", options_of(judge.bindings())},
      .learners = {{.objectives = objectives}},
  };
  return {.stages = {{"cross_tokenizer", agent}}};
}

}  // namespace distill
