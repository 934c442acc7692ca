// Online knowledge distillation: the teacher learns too, in a few numbers beside its weights, and comes
// towards what the student can express.
//
// Agent:  follows the dataset.
// Reward: the student's: minus a divergence to the teacher as it is now. The teacher modules': minus
//         KL(student, teacher), and the written token's log-probability. Both differentiated at every
//         visited state (gamma = 0), both as the two stood before the update.
// Source: Rao et al., "Online Knowledge Distillation", arXiv:2409.12512.

#include <algorithm>

#include "distill/methods/methods.h"
#include "distill/methods/parts.h"

namespace distill {

MethodSpec online_teacher(const Options& options) {
  OnlineLearning online;          // divergence, temperature, alpha, teacher_rate, average
  AdaptedTeacherOptions modules;  // rank, scale
  bind(options, online.bindings() + modules.bindings());
  online.check(options);
  modules.check(options);

  AgentSpec agent{
      .source = "dataset",
      .judge = {"adapted_teacher", options_of(modules.bindings())},
      .learners = online.learners(),
  };
  agent.learners.front().judge = agent.judge;
  // The student learns from what the modules made of the batch when they learned from it.
  std::reverse(agent.learners.begin(), agent.learners.end());
  return {.stages = {{"online_teacher", agent}}};
}

}  // namespace distill
