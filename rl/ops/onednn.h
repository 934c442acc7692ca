#pragma once

/// Matrix products on a CPU by oneDNN: for linear.cc, which decides when they fit.

#include <memory>

#include "rl/tensor.h"

namespace rl::ops::onednn {

/// Whether the program was built with oneDNN and this machine has products of `type` by it:
/// float32, or bfloat16 with AVX-512.
bool multiplies(c10::ScalarType type);

/// out = op(a) op(b) + beta out, as `rl::ops::gemm`, for a type that `multiplies`.
/// @param out its rows are dense; of a's type, or float32.
void gemm(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, double beta,
          Tensor& out);

/// A weight in the layout that products of few rows read fastest.
struct PackedWeight {
  Tensor bytes;
  std::shared_ptr<const void> layout;
};

/// @param weight [F, D], any strides; rounded to `type`, which `multiplies`.
PackedWeight pack(const Tensor& weight, c10::ScalarType type);

/// out = rows weightᵀ + beta out.
/// @param rows [N, D] of the packed type, contiguous.
/// @param out [N, F] of the packed type, or float32, contiguous.
void gemm(const Tensor& rows, const PackedWeight& weight, double beta, Tensor& out);

}  // namespace rl::ops::onednn
