#pragma once

/// Reading from a memory of stored items: whom a query resembles, and what those say.

#include <cstdint>

#include "rl/tensor.h"

namespace rl::ops {

/// What the items nearest to a query say, each weighed by how near it is.
struct Reading {
  Tensor weights;  // float32[..., k], softmax(similarity / temperature) over the k nearest
  Tensor probs;    // float32[..., C], the weighted mean of their distributions
};

/// p_near = sum over the k nearest of softmax(similarity / temperature) times what they say.
///
/// Source: Khandelwal et al. 2020, "Generalization through Memorization", arXiv:1911.00172, eq. 2.
///
/// @param similarity float32[..., k] of the query to each.
/// @param said float32[..., k, C], a distribution for each.
/// @param temperature > 0.
Reading read_nearest(const Tensor& similarity, const Tensor& said, double temperature);

/// share p_near + (1 - share) p_own.
///
/// Source: the same, eq. 3.
///
/// @param share in [0, 1].
Tensor interpolated(const Tensor& near, const Tensor& own, double share);

/// How differently two spaces relate a query to the same items:
/// KL(softmax(prior_similarity / prior_temperature), softmax(similarity / temperature)): float32[...].
/// Gradient into `similarity` alone.
///
/// Source: ours, after Liu et al. 2023, "Retrieval-based Knowledge Transfer", arXiv:2310.15594, whose
/// equations are not public to us.
///
/// @param prior_similarity, similarity float32[..., K]; -inf in both for an item that does not count.
/// @param prior_temperature, temperature > 0.
Tensor relation_divergence(const Tensor& prior_similarity, const Tensor& similarity,
                           double prior_temperature, double temperature);

/// Cosines between all rows: float32[..., T, T] from float[..., T, D].
Tensor cosine_similarity(const Tensor& features);

}  // namespace rl::ops
