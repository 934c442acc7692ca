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

}  // namespace rl::ops
