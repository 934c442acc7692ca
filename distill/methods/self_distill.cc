// Self-distillation with a privileged context: the model teaches itself what it would say if it had read
// more.
//
// Agent:  follows the student, which sees the prompt alone.
// Reward: minus a divergence to the same model after a prompt with a privileged text (a solution, a
//         demonstration, a document), differentiated at every visited state (gamma = 0).
// Source: OPSD, arXiv:2601.18734; SDFT, arXiv:2601.19897.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec self_distill(const Options& options) {
  SelfJudgeOptions self;           // teacher, average_share
  std::string divergence = "jsd";  // or "forward_kl", "reverse_kl"
  Value actions = "all";  // the set that the divergence is taken on, the teacher's likeliest
  JsdOptions jsd;         // beta, scale (divergence: jsd); tail and temperatures
  jsd.divergence.teacher_temperature = jsd.divergence.student_temperature = 1.1;
  SamplingOptions sampling{.top_k = 20, .top_p = 0.95};  // how the student writes
  ImitationOptions imitation;                            // average: over "tokens" or "sequences"
  bind(options, self.bindings() + Bindings{{"divergence", &divergence}, {"actions", &actions}} +
                    jsd.bindings() + sampling.bindings() + imitation.bindings());
  require_one_of(divergence, {"forward_kl", "reverse_kl", "jsd"}, options, "divergence");
  require_choice(divergence == "jsd", "divergence: jsd", options, {"beta", "scale"});
  self.check(options);
  jsd.check(options);
  sampling.check(options);
  imitation.check(options);

  const Options of_divergence =
      options_of(divergence == "jsd" ? jsd.bindings() : jsd.divergence.bindings());
  const RewardSpec reward{{{{divergence, of_divergence}, -1}}};
  RolloutOptions rollout{.actor = "student", .sampling = sampling};
  const AgentSpec agent{
      .source = {"rollout", options_of(rollout.bindings())},
      .judge = {"self", options_of(self.bindings())},
      .actions = component(actions),
      .learners = {{.trains = "student",
                    .objectives = {{{"imitation", options_of(imitation.bindings())}, reward}}}},
  };
  return {.stages = {{"self_distill", agent}}};
}

}  // namespace distill
