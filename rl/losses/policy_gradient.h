#pragma once

#include <optional>

#include "rl/loss.h"
#include "rl/ops/policy_gradient.h"
#include "rl/ops/returns.h"

namespace rl {

/// What the return of an action is compared with. The middle three compare returns of whole episodes,
/// and give every step of an episode the same advantage.
enum class Baseline {
  none,           // nothing
  batch,          // the mean of what was collected together
  group,          // the mean of the episode's group
  leave_one_out,  // the mean of the others of the group
  value,          // the policy's own value, by generalised advantage estimation
};

/// The defaults are PPO. Without `clip` they are A2C, and REINFORCE with another baseline; `group` is GRPO,
/// `leave_one_out` RLOO, and an `importance_clip` with values is IMPALA's V-trace.
struct PolicyGradientOptions {
  double gamma = 0.99;
  double lambda = 0.95;                             // of the generalised advantage
  std::optional<double> clip = 0.2;                 // of the probability ratio
  std::optional<double> value_clip = std::nullopt;  // of the value's change; none by default
  double value_coefficient = 0.5;                   // of the squared value error
  double entropy_coefficient = 0.0;                 // of the entropy bonus
  /// Of advantages by steps; with Baseline::batch and group, of the returns that are compared.
  ops::Normalization normalization = ops::Normalization::sample;
  Baseline baseline = Baseline::value;
  /// Episodes that begin alike: those with the same episode / group_size, see envs::GroupedStarts.
  int64_t group_size = 1;
  /// For stale data, in place of `clip`: steps are weighed by the probability ratio, at most this. With
  /// values, advantages are worked out anew at every update.
  std::optional<double> importance_clip = std::nullopt;
  /// In place of `clip` and `importance_clip`: the whole probability ratio.
  bool ratio = false;
  /// Without a baseline, what a step is credited with: the return from it on, or only what follows it;
  /// the sum, or its mean over the steps that it sums (0 where nothing follows).
  bool include_current = true, length_normalized = false;
  std::optional<double> reward_clip = std::nullopt;  // of what a step earns, both ways
  std::optional<double> advantage_clip =
      std::nullopt;  // of advantages, both ways, when learned from
  /// Whether `normalization` also counts the columns behind the end of a row, as zeros.
  bool normalize_padding = false;
  /// What was collected is let go of once the policy's divergence from who acted exceeds this.
  std::optional<double> max_kl = std::nullopt;
};

/// The policy gradient: actions that did better than the baseline become likelier.
///
/// Source: Williams 1992, "Simple statistical gradient-following algorithms" (REINFORCE); Mnih et al.
/// 2016, arXiv:1602.01783 (A2C); Schulman et al. 2016, arXiv:1506.02438, and 2017, arXiv:1707.06347
/// (PPO); Espeholt et al. 2018, arXiv:1802.01561; Shao et al. 2024, arXiv:2402.03300 (GRPO); Ahmadian et
/// al. 2024, arXiv:2402.14740 (RLOO).
class PolicyGradient : public Loss {
 public:
  /// @throws std::invalid_argument for options out of range or that do not go together.
  explicit PolicyGradient(PolicyGradientOptions options);

  /// @throws std::invalid_argument if the baseline is the value and the policy has none.
  Trajectory prepare(const Trajectory& part, const PolicyModel& policy,
                     const Reward& reward) const override;
  Trajectory complete(const Trajectory& batch) const override;
  bool prepares() const override { return !learns_from_stale_values(); }
  bool enough(const Metrics& metrics) const override;
  LossOutput operator()(const LossInput& input) const override;

 private:
  bool learns_from_stale_values() const {
    return options_.importance_clip && options_.baseline == Baseline::value;
  }
  Tensor returns(const Tensor& paid, const Trajectory& t) const;
  Tensor compared(const Tensor& returns, const Tensor& episode) const;
  ops::Advantages stale_advantages(const LossInput& input, const Tensor& log_prob) const;
  Tensor surrogate(const Trajectory& t, const Tensor& log_prob, const Tensor& given) const;

  PolicyGradientOptions options_;
};

}  // namespace rl
