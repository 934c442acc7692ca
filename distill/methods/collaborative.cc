// Collaborative distillation: where the teacher's layers matter little on the texts at hand, the student
// repairs them, in turns with the distillation.
//
// Agent:  follows the dataset.
// Reward: the student's: minus a divergence to the teacher as it is now, differentiated at every visited
//         state (gamma = 0). In the other turns the layers that matter little learn as in online_teacher
//         (modules), or are averaged with the student's (average).
// Source: Cho et al., arXiv:2409.02699; the rule is ours (docs/methods.md).

#include "distill/methods/methods.h"

namespace distill {

MethodSpec collaborative(const Options& options) {
  RepairedTeacherOptions
      repair;  // update, alternate_every, saliency_threshold, repair_below, keep,
               // and of modules rank, scale
  std::string divergence = "forward_kl";        // the student's; or "reverse_kl", "jsd"
  double temperature = 1;                       // tau of both sides of both divergences, > 0
  double alpha = 0.5;                           // modules: the student's share of what teaches them
  std::optional<double> teacher_learning_rate;  // of modules; none: train.learning_rate
  ImitationOptions imitation;                   // average: over "tokens" or "sequences"
  bind(options, repair.bindings() +
                    Bindings{{"divergence", &divergence},
                             {"temperature", &temperature},
                             {"alpha", &alpha},
                             {"teacher_learning_rate", &teacher_learning_rate}} +
                    imitation.bindings());
  require_one_of(divergence, {"forward_kl", "reverse_kl", "jsd"}, options, "divergence");
  require(temperature > 0, options, "temperature > 0");
  require(alpha >= 0 && alpha <= 1, options, "0 <= alpha <= 1");
  require(!teacher_learning_rate || *teacher_learning_rate > 0, options,
          "teacher_learning_rate > 0");
  repair.check(options);
  imitation.check(options);

  AgentSpec agent{
      .source = "dataset",
      .judge = {"repaired_teacher", options_of(repair.bindings())},
      .learners = online_learners({divergence, temperature, alpha, teacher_learning_rate,
                                   options_of(imitation.bindings())}),
  };
  if (repair.update == "modules") {
    agent.alternate_every = repair.alternate_every;
  } else {
    agent.learners.resize(1);  // the student's
  }
  return {.stages = {{"collaborative", agent}}};
}

}  // namespace distill
