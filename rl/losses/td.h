#pragma once

#include "rl/loss.h"

namespace rl {

struct TdOptions {
  double gamma = 0.99;
  double entropy = 0;        // temperature of soft values; 0: greedy values
  bool double_q = false;     // the online network picks the action, the target network values it
  double huber_delta = 1.0;  // 0: squared errors
};

/// Temporal-difference learning of action values from rewards: the logits are Q-values and are moved
/// towards r + gamma V(s') of the target network. Greedy values give DQN, soft ones soft Q-learning.
///
/// Source: Mnih et al. 2015, doi:10.1038/nature14236; van Hasselt et al. 2016, arXiv:1509.06461;
/// Haarnoja et al. 2017, arXiv:1702.08165.
class Td : public Loss {
 public:
  /// @throws std::invalid_argument for a gamma outside [0, 1] or a negative entropy or delta, or for
  ///         double_q with soft values.
  explicit Td(TdOptions options);

  bool needs_target() const override { return true; }
  LossOutput operator()(const LossInput& input) const override;

 private:
  Tensor next_values(const LossInput& input) const;

  TdOptions options_;
};

}  // namespace rl
