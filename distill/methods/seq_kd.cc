// Sequence-level knowledge distillation: the student learns the responses that the teacher writes.
//
// Agent:  follows the teacher, which answers the prompts.
// Reward: the log-probability of the token the teacher wrote, differentiated.
// Source: Kim & Rush 2016, "Sequence-Level Knowledge Distillation", arXiv:1606.07947. They take the
//         best of a beam; here the teacher samples, or writes greedily at temperature 0.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec seq_kd(const Options& options) {
  Value memory = "on_policy";  // "replay" learns from a response more than once
  SamplingOptions sampling;    // how the teacher writes
  ImitationOptions imitation;  // average: over "tokens" or "sequences"
  bind(options, Bindings{{"memory", &memory}} + sampling.bindings() + imitation.bindings());
  sampling.check(options);
  imitation.check(options);

  RolloutOptions rollout{.actor = "teacher", .sampling = sampling};
  const RewardSpec reward{{{"log_likelihood", 1}}};
  const AgentSpec agent{
      .source = {"rollout", options_of(rollout.bindings())},
      .memory = component(memory),
      .learners = {{.trains = "student",
                    .objectives = {{{"imitation", options_of(imitation.bindings())}, reward}}}},
  };
  return {.stages = {{"seq_kd", agent}}};
}

}  // namespace distill
