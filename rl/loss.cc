#include "rl/loss.h"

#include "rl/torch.h"

namespace rl {

Tensor log_prob_difference(const Trajectory& trajectory, const Tensor& log_prob,
                           const Tensor& where) {
  const Tensor own = trajectory.own.unsqueeze(-1).logical_and(where);
  const Tensor difference = (log_prob.detach() - trajectory.behavior_log_prob).abs();
  return difference.masked_fill(own.logical_not(), 0).max();
}

}  // namespace rl
