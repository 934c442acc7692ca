#pragma once

#include <cstdint>
#include <optional>

#include "rl/loss.h"

namespace rl {

struct SubsetGradientOptions {
  /// Share of what the last batch's rows were worth; the rest is how well the policy does on held-out
  /// data.
  double own_share = 1;
  double baseline_decay = 0.9;  // of the moving average that values are compared with, in [0, 1)
  int64_t warm_up = 0;          // episodes, the first ones, in which nobody chose
};

/// Learns which priors to take, a subset per row, by REINFORCE: -(R - b) ln pi(subset), where the policy
/// in training has one logit per prior and takes each with probability sigmoid(logit).
///
/// It learns from what Hindsight notes of the last batch: whom it took there (a weight above 0), and what
/// that was worth. b is a moving average of R; the first batch sets it.
///
/// Source: Yuan et al. 2021, "Reinforced Multi-Teacher Selection for Knowledge Distillation",
/// arXiv:2012.06048, section 3.
class SubsetGradient : public Loss {
 public:
  /// @throws std::invalid_argument for options out of range.
  explicit SubsetGradient(const SubsetGradientOptions& options);

  LossOutput operator()(const LossInput& input) const override;
  void updated(const Metrics& metrics, double progress) override;
  void save(State& state) const override;
  void load(const State& state) override;

 private:
  SubsetGradientOptions options_;
  std::optional<double> baseline_;
};

}  // namespace rl
