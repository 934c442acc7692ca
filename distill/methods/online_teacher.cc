// Online knowledge distillation: the teacher learns too, in a few numbers beside its weights, and comes
// towards what the student can express.
//
// Agent:  follows the dataset.
// Reward: the student's: minus a divergence to the teacher as it is now. The teacher modules': minus
//         KL(student, teacher), and the written token's log-probability. Both differentiated at every
//         visited state (gamma = 0), both as the two stood before the update.
// Source: Rao et al., "Online Knowledge Distillation", arXiv:2409.12512.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec online_teacher(const Options& options) {
  std::string divergence = "forward_kl";        // the student's; or "reverse_kl", "jsd"
  double temperature = 1;                       // tau of both sides of both divergences, > 0
  double alpha = 0.5;                           // the student's share of what teaches the modules
  std::optional<double> teacher_learning_rate;  // of the modules; none: train.learning_rate
  AdaptedTeacherOptions modules;                // rank, scale
  ImitationOptions imitation;                   // average: over "tokens" or "sequences"
  bind(options, Bindings{{"divergence", &divergence},
                         {"temperature", &temperature},
                         {"alpha", &alpha},
                         {"teacher_learning_rate", &teacher_learning_rate}} +
                    modules.bindings() + imitation.bindings());
  require_one_of(divergence, {"forward_kl", "reverse_kl", "jsd"}, options, "divergence");
  require(temperature > 0, options, "temperature > 0");
  require(alpha >= 0 && alpha <= 1, options, "0 <= alpha <= 1");
  require(!teacher_learning_rate || *teacher_learning_rate > 0, options,
          "teacher_learning_rate > 0");
  modules.check(options);
  imitation.check(options);

  const AgentSpec agent{
      .source = "dataset",
      .judge = {"adapted_teacher", options_of(modules.bindings())},
      .learners = online_learners({divergence, temperature, alpha, teacher_learning_rate,
                                   options_of(imitation.bindings())}),
  };
  return {.stages = {{"online_teacher", agent}}};
}

std::vector<LearnerSpec> online_learners(const OnlineLearning& online) {
  DivergenceOptions at{.teacher_temperature = online.temperature,
                       .student_temperature = online.temperature,
                       .scale_by_t2 = true};
  const Options tempered = options_of(at.bindings());
  const ComponentSpec loss("imitation", online.imitation);
  const RewardSpec follow{{{{online.divergence, tempered}, -1}}};
  RewardSpec pull;
  if (online.alpha > 0) pull.terms.push_back({{"forward_kl", tempered}, -online.alpha});
  if (online.alpha < 1) pull.terms.push_back({"log_likelihood", 1 - online.alpha});
  return {{.trains = "student", .objectives = {{loss, follow}}},
          {.trains = "teacher_modules",
           .objectives = {{loss, pull}},
           .judge = online.alpha > 0 ? "student" : "none",
           .learning_rate = online.teacher_learning_rate}};
}

}  // namespace distill
