// TAID: the target moves from the student itself to the teacher in the course of the training.
//
// Agent:  follows the dataset.
// Reward: minus the cross-entropy to softmax((1 - t) z + t z_T), the student's part a constant,
//         differentiated at every visited state (gamma = 0); t rises with the training, and faster while
//         the loss falls.
// Source: Shing et al. 2025, "TAID: Temporally Adaptive Interpolated Distillation for Efficient
//         Knowledge Transfer in Language Models", arXiv:2501.16937.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec taid(const Options& options) {
  TaidOptions loss;       // t_start, t_end, alpha, momentum; tail and temperatures; average
  Value actions = "all";  // the set that the cross-entropy is taken on
  bind(options, loss.bindings() + Bindings{{"actions", &actions}});
  loss.check(options);

  const AgentSpec agent{
      .source = "dataset",
      .actions = component(actions),
      .learners = {{.trains = "student", .objectives = {{{"taid", options_of(loss.bindings())}}}}},
  };
  return {.stages = {{"taid", agent}}};
}

}  // namespace distill
