#pragma once

#include <vector>

#include "rl/tensor.h"

namespace rl::ops {

/// x weightᵀ + bias, once differentiable.
///
/// x of bfloat16 with a weight of float32 means bfloat16 arithmetic over float32 master weights: the
/// product uses a rounded copy of the weight, kept until the weight changes or dies, and the
/// weight's gradient is float32. Whoever writes into a weight through a raw pointer must bump its
/// version (`unsafeGetTensorImpl()->bump_version()`); LibTorch's own in-place operators do.
///
/// Where no gradient is wanted, products of few rows on a CPU (the steps of generation) also keep a
/// copy of the weight, in the layout that they read fastest.
///
/// May be called from several threads at once.
///
/// @param x [..., D], any strides.
/// @param weight [F, D], of x's type, or float32 where x is bfloat16.
/// @param bias [F] or undefined for none.
/// @return [..., F] of x's type.
/// @throws ShapeError if the sizes do not fit.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

/// Several layers on the same input, their results side by side, as `linear` of the weights one
/// below the other, which are not copied together.
///
/// @param weights [F_i, D] each.
/// @param biases [F_i] each, or none at all.
/// @return [..., sum F_i].
Tensor linear(const Tensor& x, const std::vector<Tensor>& weights,
              const std::vector<Tensor>& biases);

/// `linear` of one layer in float32, whatever the type of x: products of bfloat16 are added up in float32 and
/// stay that. The gradient is rounded to x's type.
///
/// @return float32[..., F].
Tensor linear_float32(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

/// out = op(a) op(b) + beta out for matrices; op transposes where asked. Not differentiable.
///
/// @param a [M, K], or [K, M] if transposed.
/// @param b [K, N], or [N, K] if transposed, of a's type.
/// @param beta 0 overwrites `out`, whatever it holds.
/// @param out [M, N] of a's type, or float32 where a is bfloat16; its rows may have a stride.
/// @throws ShapeError if the sizes do not fit.
void gemm(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, double beta,
          Tensor& out);

/// A copy of `weight` in `type` that is kept until the weight changes or dies, or the weight itself
/// if it has that type. May be called from several threads at once.
Tensor rounded_copy(const Tensor& weight, c10::ScalarType type);

}  // namespace rl::ops
