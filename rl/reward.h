#pragma once

#include <functional>
#include <string>
#include <vector>

#include "rl/opinion.h"
#include "rl/tensor.h"

namespace rl {

/// What an action, or a policy's whole opinion of a state, is worth there: float32[n] from n
/// opinions. The same term serves losses that differentiate it (imitation) and losses that only
/// evaluate it (policy gradients).
using RewardTerm = std::function<Tensor(const Opinion&)>;

/// A weighted sum of reward terms, on top of what the environment itself pays.
struct Reward {
  struct Weighted {
    std::string name;
    double weight;
    RewardTerm term;
  };
  std::vector<Weighted> terms;

  /// float32[n, terms], each term by itself.
  Tensor columns(const Opinion& opinion) const;
  std::vector<double> weights() const;
  /// float32[B, T]: the environment's reward plus the weighted terms, without gradient; 0 where no
  /// action was taken.
  Tensor of(const Trajectory& trajectory, const PolicyOutput& policy) const;
};

}  // namespace rl
