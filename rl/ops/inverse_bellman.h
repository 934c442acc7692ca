#pragma once

/// Rewards that a policy's action values imply: inverse Bellman equations. Shapes and meanings of `discount`
/// and `last` are those of rl/ops/returns.h.

#include <cstdint>

#include "rl/tensor.h"

namespace rl::ops {

/// r_t = Q(s_t, a_t) - d_t V(s_{t+1}): float32[B, T], detached.
///
/// With V the largest Q the reward is what makes acting by the largest Q the best that can be done (LLMR); with
/// V = e logsumexp(Q / e) what makes softmax(Q / e) the best at entropy temperature e. Undiscounted, the rewards
/// of an ended episode then sum to V(s_1) + e sum_t log softmax(Q / e)(a_t).
///
/// Source: Hao, Liu & Mou 2022, "Teacher Forcing Recovers Reward Functions for Text Generation",
/// arXiv:2210.08708; Li, Hao & Mou 2024, arXiv:2409.12500 (LLMR); Li et al. 2025, arXiv:2506.23235.
///
/// @param q_taken float32[B, T], Q of the action taken.
/// @param value float32[B, T], V of each state; 0 where there is none. A cut row's next state has one.
Tensor inverse_bellman_rewards(const Tensor& q_taken, const Tensor& value, const Tensor& discount);

/// Rewards whose discounted sum from each step on is a return of blocks of K steps,
///
///     G_t = Q(s_t, a_t) - d^K V(s_{t+K}) + d^K G_{t+K},
///
/// blocks being shorter where the row is over before: float32[B, T], detached. K = 1 is
/// `inverse_bellman_rewards`. The return has fewer terms, and they vary less, the larger K is.
///
/// Source: Fan et al. 2025, arXiv:2504.19024 (KETCHUP).
///
/// @throws std::invalid_argument unless steps >= 1.
Tensor block_rewards(const Tensor& q_taken, const Tensor& value, const Tensor& discount,
                     const Tensor& last, int64_t steps);

}  // namespace rl::ops
