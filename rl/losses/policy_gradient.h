#pragma once

#include <optional>

#include "rl/loss.h"
#include "rl/ops/policy_gradient.h"

namespace rl {

struct PpoOptions {
  double gamma = 0.99;
  double lambda = 0.95;                             // of the generalised advantage
  double clip = 0.2;                                // of the probability ratio
  std::optional<double> value_clip = std::nullopt;  // of the value's change; none by default
  double value_coefficient = 0.5;                   // of the squared value error
  double entropy_coefficient = 0.0;                 // of the entropy bonus
  ops::Normalization normalization = ops::Normalization::sample;  // of the advantages of a batch
};

/// Proximal policy optimisation with generalised advantage estimation. The policy must have values.
///
/// Source: Schulman et al. 2017, arXiv:1707.06347; Schulman et al. 2016, arXiv:1506.02438.
class Ppo : public Loss {
 public:
  /// @throws std::invalid_argument for options out of range.
  explicit Ppo(PpoOptions options);

  Trajectory prepare(const Trajectory& part, const PolicyModel& policy,
                     const Reward& reward) const override;
  Trajectory complete(const Trajectory& batch) const override;
  bool prepares() const override { return true; }
  LossOutput operator()(const LossInput& input) const override;

 private:
  PpoOptions options_;
};

}  // namespace rl
