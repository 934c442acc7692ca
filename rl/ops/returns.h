#pragma once

/// Returns and advantages along rows of steps.
///
/// A row holds T steps of one or of several episodes, one after another. Shapes are float32[B, T]:
///
/// - `reward`: earned by step t.
/// - `discount`: what the value of the state that step t reaches is multiplied by: gamma, and 0
///   where the episode ended there for good.
/// - `last`: bool[B, T] (or a number), true where nothing is carried over from step t + 1, because
///   the episode ended or was cut there. The last step of a row always counts as such.
/// - `value`: of the state in which step t is taken; `next_value`: of the state it reaches, before
///   any new episode begins. So a cut step bootstraps with `next_value` and an ended one, whose
///   discount is 0, does not.
///
/// All are constants for the gradient; the results are detached.

#include "rl/tensor.h"

namespace rl::ops {

/// What stands one column further, and 0 in the last: values of next states from values of states.
///
/// @param x [B, T].
Tensor next_column(const Tensor& x);

/// G_t = r_t + d_t G_{t+1}, and r_t + d_t next_value_t where `last`: float32[B, T].
///
/// @param next_value undefined: nothing is bootstrapped, a cut step counts as an ended one.
Tensor discounted_returns(const Tensor& reward, const Tensor& discount, const Tensor& last,
                          const Tensor& next_value = {});

struct NStepReturns {
  Tensor target;      // float32[B, T]
  Tensor last_index;  // int64[B, T], the step whose next_value was bootstrapped with
};

/// The rewards of n steps, discounted, and the value of the state reached then; of fewer where the
/// episode or the row is over before.
///
/// @throws std::invalid_argument unless n >= 1.
NStepReturns n_step_returns(const Tensor& reward, const Tensor& discount, const Tensor& last,
                            const Tensor& next_value, int64_t n);

/// G_t = r_t + d_t ((1 - lambda) next_value_t + lambda G_{t+1}), and r_t + d_t next_value_t where
/// `last`: float32[B, T].
///
/// Source: Sutton & Barto 2018, "Reinforcement learning", section 12.1.
///
/// @throws std::invalid_argument unless 0 <= lambda <= 1.
Tensor lambda_returns(const Tensor& reward, const Tensor& discount, const Tensor& last,
                      const Tensor& next_value, double lambda);

struct Advantages {
  Tensor advantage;  // float32[B, T]
  Tensor target;     // float32[B, T], advantage + value: what the value should have been
};

/// A_t = delta_t + d_t lambda A_{t+1} with delta_t = r_t + d_t next_value_t - value_t, and delta_t
/// where `last`.
///
/// Source: Schulman et al. 2016, arXiv:1506.02438, equation 16.
///
/// @throws std::invalid_argument unless 0 <= lambda <= 1.
Advantages generalized_advantage(const Tensor& reward, const Tensor& discount, const Tensor& last,
                                 const Tensor& value, const Tensor& next_value, double lambda);

struct VtraceOptions {
  double rho_bar = 1;         // limit of the weights of temporal differences
  double c_bar = 1;           // limit of what is carried over from the next step
  double policy_rho_bar = 1;  // limit of the weights of advantages
  double lambda = 1;          // share of what is carried over
};

/// Values and advantages of a policy from what another one did:
///
///     v_t = V_t + delta_t + d_t c_t (v_{t+1} - V_{t+1}),  delta_t = rho_t (r_t + d_t V_{t+1} - V_t),
///     A_t = min(rho, ratio_t) (r_t + d_t v_{t+1} - V_t),
///
/// where V_{t+1} is `next_value_t`, rho_t and c_t are the clipped ratios pi(a_t) / mu(a_t), c_t times
/// lambda, and nothing is carried over where `last`. The target is v, the advantage holds its weight.
///
/// Source: Espeholt et al. 2018, arXiv:1802.01561, section 4.1.
///
/// @param log_ratio float32[B, T], log pi(a) - log mu(a): who learns over who acted.
/// @throws std::invalid_argument unless 0 <= lambda <= 1 and every limit is > 0.
Advantages vtrace(const Tensor& log_ratio, const Tensor& reward, const Tensor& discount,
                  const Tensor& last, const Tensor& value, const Tensor& next_value,
                  const VtraceOptions& options);

}  // namespace rl::ops
