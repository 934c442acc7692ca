#include "rl/reward.h"

#include "rl/ops/masked.h"
#include "rl/torch.h"

namespace rl {

Tensor Reward::columns(const Opinion& opinion) const {
  std::vector<Tensor> values;
  for (const Weighted& part : terms) values.push_back(part.term(opinion));
  return torch::stack(values, -1);
}

std::vector<double> Reward::weights() const {
  std::vector<double> result;
  for (const Weighted& part : terms) result.push_back(part.weight);
  return result;
}

Tensor Reward::of(const Trajectory& trajectory, const PolicyOutput& policy) const {
  torch::NoGradGuard no_grad;
  const Tensor paid = ops::masked(trajectory.reward, trajectory.mask);
  if (terms.empty()) return paid;
  const auto total = [&](const Opinion& opinion) {
    Tensor sum;
    for (const Weighted& part : terms) {
      const Tensor value = part.weight * part.term(opinion);
      sum = sum.defined() ? sum + value : value;
    }
    return sum;
  };
  return paid + map_states(policy, trajectory, trajectory.mask, total);
}

}  // namespace rl
