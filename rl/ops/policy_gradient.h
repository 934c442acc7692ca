#pragma once

/// Parts of policy-gradient losses. Every function works step by step, on tensors of any shape
/// `...`, and leaves averaging to the caller.

#include <optional>

#include "rl/tensor.h"

namespace rl::ops {

enum class Normalization {
  none,
  sample,      // divides by n - 1
  population,  // divides by n
};

/// (A - mean) / (std + 1e-8) over the steps that count; 0 elsewhere. The result is detached.
///
/// @param advantage float32[...].
/// @param mask of the same shape; a step counts where it is not 0.
Tensor normalized_advantage(const Tensor& advantage, const Tensor& mask,
                            Normalization normalization);

/// (r - mean) / (std + epsilon) of the rewards of each group: float32[B], detached. A group of equal
/// rewards has 0.
///
/// Source: Shao et al. 2024, arXiv:2402.03300, section 4.1.2; without the division Liu et al. 2025,
/// arXiv:2503.20783.
///
/// @param reward float32[B], one number per episode.
/// @param group int64[B], any number per group.
Tensor group_advantages(const Tensor& reward, const Tensor& group, Normalization normalization,
                        double epsilon = 1e-4);

/// (r - mean) / sqrt(var + 1e-8) of all rewards, and r - mean without normalisation: float32[B],
/// detached.
Tensor whitened_advantages(const Tensor& reward, Normalization normalization);

/// r - mean of the other rewards of the group: float32[B], detached.
///
/// Source: Ahmadian et al. 2024, arXiv:2402.14740, section 3.2; Kool et al. 2019.
///
/// @throws std::invalid_argument if an episode is alone in its group.
Tensor leave_one_out_advantages(const Tensor& reward, const Tensor& group);

/// -A log pi(a). The advantage is a constant.
///
/// Source: Williams 1992, "Simple statistical gradient-following algorithms", REINFORCE.
Tensor reinforce(const Tensor& log_prob, const Tensor& advantage);

/// -A rho with rho = pi(a) / pi_old(a): its gradient is that of `reinforce` times rho, so what somebody
/// else did counts as often as pi does it. The advantage and the old log-probability are constants.
Tensor ratio_surrogate(const Tensor& log_prob, const Tensor& old_log_prob, const Tensor& advantage);

/// PPO's clipped surrogate, as a loss: max(-A rho, -A clip(rho, 1 - clip, 1 + clip)) with
/// rho = pi(a) / pi_old(a). The advantage and the old log-probability are constants.
///
/// Source: Schulman et al. 2017, arXiv:1707.06347, equation 7.
///
/// @throws std::invalid_argument unless clip > 0.
Tensor clipped_surrogate(const Tensor& log_prob, const Tensor& old_log_prob,
                         const Tensor& advantage, double clip);

/// scale (v - target)^2; with `clip` the larger of that and the same for
/// v_old + clip(v - v_old, -clip, clip). The target and the old value are constants.
///
/// @param old_value may be undefined when `clip` is not given.
/// @throws std::invalid_argument unless clip > 0 where given.
Tensor value_loss(const Tensor& value, const Tensor& target, double scale,
                  const Tensor& old_value = {}, std::optional<double> clip = std::nullopt);

/// rho - 1 - log rho, an estimate of D(pi_old || pi) that is never negative. Detached.
///
/// Source: Schulman 2020, "Approximating KL divergence", estimator k3.
Tensor approximate_kl(const Tensor& log_prob, const Tensor& old_log_prob);

/// 1 where |rho - 1| > clip, else 0. Detached.
Tensor is_clipped(const Tensor& log_prob, const Tensor& old_log_prob, double clip);

}  // namespace rl::ops
