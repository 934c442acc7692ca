#pragma once

/// Action values: from logits to Q, from Q to state values, and the losses that tie them together.
///
/// Q has the shape float32[..., K], with -inf on empty slots.

#include <optional>

#include "rl/tensor.h"

namespace rl::ops {

// ---- state values ---------------------------------------------------------------------------

/// V = e logsumexp(Q / e), the value of acting with probabilities softmax(Q / e): float32[...].
/// -inf, without gradient, where every slot is empty.
///
/// @param tail_q float32[...], Q of one further action that stands for all outside the set;
///     undefined: there is none.
/// @param entropy_temperature e > 0.
/// @throws std::invalid_argument unless entropy_temperature > 0.
Tensor soft_value(const Tensor& q, const Tensor& tail_q = {}, double entropy_temperature = 1);

/// max_a Q(a): float32[...].
Tensor greedy_value(const Tensor& q);

/// The mean of Q over the slots that hold an action: float32[...].
Tensor mean_value(const Tensor& q);

/// The mean of Q under softmax(Q): float32[...].
Tensor softmax_value(const Tensor& q);

/// Q_target at the best action of Q_online: float32[...].
///
/// Source: van Hasselt et al. 2016, arXiv:1509.06461, double Q-learning.
Tensor double_greedy_value(const Tensor& online_q, const Tensor& target_q);

// ---- targets and errors ---------------------------------------------------------------------

/// r + d V(next), with the gradient of V(next): float32[...].
///
/// @param discount gamma^n of n steps; 0 where the episode ended for good.
Tensor td_target(const Tensor& reward, const Tensor& discount, const Tensor& next_value);

/// e^2 / 2 where |e| <= delta, delta (|e| - delta / 2) beyond.
///
/// @throws std::invalid_argument unless delta > 0.
Tensor huber(const Tensor& error, double delta);

// ---- the gauge of Q -------------------------------------------------------------------------

/// Logits are action values up to a constant per state. The gauge fixes that constant; likelihoods do
/// not depend on it, squared rewards do.
enum class Gauge {
  raw,          // Q = z
  max_shift,    // Q = z - max_b z_b over all actions, so that the best action is worth 0
  log_softmax,  // Q = z - logsumexp_b z_b over all actions, so that Q is a log-probability
};

/// The constant that a gauge takes off: float32[...], or undefined for `raw`.
///
/// @param max_logit float32[...], the largest logit over *all* actions, with its gradient.
/// @param log_normalizer float32[...], the log-sum-exp over all actions, with its gradient.
Tensor gauge_shift(Gauge gauge, const Tensor& max_logit, const Tensor& log_normalizer);

/// Q = max(z - shift, q_min). Gradients flow into the logits and the shift, and stop where Q is
/// clipped; empty slots stay -inf.
///
/// @param logits float32[..., K] on a set, -inf on empty slots; or float32[...], the log-sum-exp of
///     the logits outside it (then `shift` has the same shape).
/// @param shift float32[...] from `gauge_shift`; undefined: 0.
/// @param q_min nothing: not clipped.
Tensor gauged(const Tensor& logits, const Tensor& shift, std::optional<double> q_min);

// ---- temporal-difference distillation ------------------------------------------------------

struct TdDistillation {
  Tensor loss;            // float32[B, T], the sum of the parts, 0 where the mask is 0
  Tensor implied_reward;  // float32[B, T], r_t = Q(s_t, a_t) - d_t V(s_{t+1})
  Tensor likelihood;      // float32[B, T], V(s_t) - Q(s_t, a_t) = -log pi(a_t | s_t) on the set
  Tensor chi2;            // float32[B, T], r_t^2 / (4 alpha); 0 when switched off
  Tensor support;         // float32[B, T], as given; 0 when undefined
};

struct TdDistillationOptions {
  double alpha = 0.1;  // strength of the squared reward is 1 / (4 alpha)
  bool chi2 = true;    // false: without the squared reward
};

/// Inverse soft Q-learning on demonstrations, per step: -[Q(s_t, a_t) - V(s_t)] + r_t^2 / (4 alpha).
///
/// Nothing is detached: gradients flow through Q and through the values of both states. Values of
/// another temperature than 1 make the likelihood one of softmax(Q / e), times e.
///
/// Source: Yu, Li & Zhang 2025, arXiv:2505.20335, in the gathered form; Garg et al. 2021,
/// arXiv:2106.12142, equation 12.
///
/// @param q_taken float32[B, T], Q of the action taken.
/// @param value float32[B, T] or [B, T + 1], V of each state; a column T + 1 is the state that the
///     last step reaches.
/// @param support float32[B, T], -log of the policy's mass on the set, added to the loss; undefined:
///     nothing is added.
/// @param discount float32[B, T], gamma, and 0 where the episode ended. Where it is 0 the value that
///     follows has no influence, whatever it is. Without a column T + 1 the last one must be 0.
/// @param mask [B, T], not 0 at the steps that are learned.
/// @param reached_value of the shape of `value`: the values of the states that steps reach, where they are
///     not to be taken from `value` (a target network's, as constants); undefined: they are.
/// @throws std::invalid_argument unless alpha > 0.
TdDistillation td_distillation(const Tensor& q_taken, const Tensor& value, const Tensor& support,
                               const Tensor& discount, const Tensor& mask,
                               const TdDistillationOptions& options,
                               const Tensor& reached_value = {});

}  // namespace rl::ops
