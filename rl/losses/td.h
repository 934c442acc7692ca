#pragma once

#include <optional>

#include "rl/loss.h"

namespace rl {

/// Whose values the states have that targets are made of.
enum class Bootstrap {
  target,    // the target network's
  detached,  // the online network's, as constants
  live,      // the online network's, with their gradient
};

/// Rewards of imitation: every step of a demonstration earns 1 and every step of the policy's own earns 0,
/// whatever the world pays. Its own are the rows of the second source of a mixture (Trajectory::second).
struct SqilOptions {
  double own_weight = 1;  // of the mean over own steps, beside the mean over demonstrated ones
};

struct TdOptions {
  double gamma = 0.99;
  double entropy = 0;        // temperature of soft values; 0: greedy values
  bool double_q = false;     // the online network picks the action, the target network values it
  double huber_delta = 1.0;  // 0: squared errors
  double epsilon = 0;        // greedy values: the share of actions that will be taken at random
  int64_t n_steps = 1;       // rewards before a value; fewer where the episode or the row is over
  std::optional<double> lambda = std::nullopt;  // targets are lambda returns, in place of n steps
  Bootstrap bootstrap = Bootstrap::target;
  std::optional<SqilOptions> sqil = std::nullopt;  // with soft values: soft Q imitation learning
};

/// Temporal-difference learning of action values from rewards: the logits are Q-values and are moved
/// towards r + gamma V(s'). Greedy values give DQN, with an epsilon expected SARSA, soft ones soft
/// Q-learning. Several steps are not corrected for the difference between who acted and who learns.
///
/// Source: Mnih et al. 2015, doi:10.1038/nature14236; van Hasselt et al. 2016, arXiv:1509.06461; van
/// Seijen et al. 2009, "A theoretical and empirical analysis of expected Sarsa"; Haarnoja et al. 2017,
/// arXiv:1702.08165; Reddy et al. 2020, arXiv:1905.11108 (SQIL).
class Td : public Loss {
 public:
  /// @throws std::invalid_argument for a number out of range, for double_q or an epsilon with soft
  ///         values, for double_q without the target network, or for live values of several steps.
  explicit Td(TdOptions options);

  bool needs_target() const override { return options_.bootstrap == Bootstrap::target; }
  LossOutput operator()(const LossInput& input) const override;

 private:
  Tensor values(const LossInput& input) const;
  Tensor target(const LossInput& input) const;
  Tensor reward(const LossInput& input) const;
  Tensor weight(const LossInput& input) const;

  TdOptions options_;
};

}  // namespace rl
