#pragma once

/// Several priors as one, and choosing some of them.

#include <vector>

#include "rl/tensor.h"

namespace rl::ops {

/// log sum_k w_k p_k(a): the mixture of M distributions, float32[..., A].
///
/// @param log_probs M of float32[..., A], each normalised.
/// @param log_weights float32[..., M], normalised; -inf leaves one out.
Tensor mixture(const std::vector<Tensor>& log_probs, const Tensor& log_weights);

/// ln pi(a) = sum_k a_k ln pi_k + (1 - a_k) ln (1 - pi_k) with pi = sigmoid(logits): float32[...].
///
/// Source: Yuan et al. 2021, arXiv:2012.06048, section 3.
///
/// @param logits float32[..., M]. @param chosen bool[..., M].
Tensor subset_log_prob(const Tensor& logits, const Tensor& chosen);

/// The subset, or the likeliest member alone where it is empty: bool[..., M].
Tensor never_empty(const Tensor& logits, const Tensor& chosen);

/// Even weights of the members of a subset, as logarithms: float64[..., M], -inf for the others.
Tensor even_log_weights(const Tensor& chosen);

}  // namespace rl::ops
