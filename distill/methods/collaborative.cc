// Collaborative distillation: where the teacher's layers matter little on the texts at hand, the student
// repairs them, in turns with the distillation.
//
// Agent:  follows the dataset.
// Reward: the student's: minus a divergence to the teacher as it is now, differentiated at every visited
//         state (gamma = 0). In the other turns the layers that matter little learn as in online_teacher
//         (modules), or are averaged with the student's (average).
// Source: Cho et al., arXiv:2409.02699; the rule is ours (docs/methods.md).

#include "distill/methods/methods.h"
#include "distill/methods/parts.h"

namespace distill {

MethodSpec collaborative(const Options& options) {
  // update, alternate_every, saliency_threshold, repair_below; of average: keep; of modules: rank, scale.
  RepairedTeacherOptions repair;
  OnlineLearning online;  // divergence, temperature, average; of modules: alpha, teacher_rate
  bind(options, repair.bindings() + online.bindings());
  repair.check(options);
  online.check(options);
  const bool learns = repair.update == "modules";
  require_choice(learns, "update: modules", options, {"rank", "scale", "alpha", "teacher_rate"});
  require_choice(!learns, "update: average", options, {"keep"});

  AgentSpec agent{
      .source = "dataset",
      .judge = {"repaired_teacher", options_of(repair.bindings())},
      .learners = online.learners(),
  };
  if (learns) {
    agent.alternate_every = repair.alternate_every;
  } else {
    agent.learners.resize(1);  // the student's
  }
  return {.stages = {{"collaborative", agent}}};
}

}  // namespace distill
