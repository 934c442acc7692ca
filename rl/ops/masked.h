#pragma once

/// Sums and averages over the steps that count.
///
/// A mask is bool or a number, of the shape of the values: a step counts where it is not 0. Values
/// where the mask is 0 have no influence and get no gradient, whatever they are, NaN included.

#include "rl/tensor.h"

namespace rl::ops {

/// values where the mask is not 0, and 0 elsewhere: the shape of `values`.
Tensor masked(const Tensor& values, const Tensor& mask);

/// Sum over the steps that count: float32[].
Tensor masked_sum(const Tensor& values, const Tensor& mask);

/// Mean over the steps that count, of the whole batch: float32[]. 0 where none counts.
Tensor masked_mean(const Tensor& values, const Tensor& mask);

/// Mean of each row over its steps that count: [B, ...]. 0 where none counts.
///
/// @param values float[B, T, ...].
/// @param mask [B, T].
Tensor masked_row_mean(const Tensor& values, const Tensor& mask);

/// Mean over rows of each row's mean: float32[]. Rows in which no step counts are left out.
///
/// @param values float32[B, T].
Tensor masked_sequence_mean(const Tensor& values, const Tensor& mask);

/// Standard deviation over the steps that count: float32[]. 0 where too few count.
///
/// @param correction what is taken off the count: 1 for a sample, 0 for a whole population.
Tensor masked_std(const Tensor& values, const Tensor& mask, int64_t correction);

}  // namespace rl::ops
