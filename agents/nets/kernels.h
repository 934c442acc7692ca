#pragma once

/// The operations of a decoder beside its matrix products: differentiable, on any device.
///
/// float32 and bfloat16 on a CPU run on fused kernels (`cpu_kernels.h`); everything else on
/// LibTorch's operators. All may be called from several threads at once.

#include <cstdint>
#include <vector>

#include "agents/nets/decoder_config.h"
#include "rl/tensor.h"

namespace agents::kernels {

using rl::Tensor;

/// The angles of rotary positions: float32[positions, head_width / 2]; undefined for none.
struct Rotation {
  Tensor cosine;
  Tensor sine;
};

struct Attention {
  int64_t heads = 0;
  int64_t key_value_heads = 0;
  int64_t head_width = 0;
  double scale = 1;    // factor of the scores
  int64_t window = 0;  // positions seen, own included; 0: all
};

/// Each position attends to itself and what stands before it; softmax in float32.
///
/// @param query_key_value [B, T, (heads + 2 key_value_heads) head_width], not yet rotated.
/// @param rotation of positions 0..T-1 at least.
/// @param from first position to return.
/// @return [B, T - from, heads head_width].
Tensor causal_attention(const Tensor& query_key_value, const Attention& attention,
                        const Rotation& rotation, int64_t from = 0);

/// The same for T new positions after those of a cache, to which they are appended. Without
/// gradients.
///
/// @param keys, values as in `KeyValueCache`, finite; written at positions lengths[b] and after.
/// @param lengths positions before the new ones, per row.
/// @param counts how many of the T positions of a row are tokens; the others yield zeros.
Tensor cached_attention(const Tensor& query_key_value, const Attention& attention,
                        const Rotation& rotation, Tensor keys, Tensor values,
                        const std::vector<int64_t>& lengths, const std::vector<int64_t>& counts);

/// The stream of a decoder and its normalised reading.
struct Normed {
  Tensor sum;     // float32[..., D]
  Tensor normed;  // of the type asked for
};

/// sum = residual + delta, normed = sum / sqrt(mean(sum^2) + epsilon) * weight.
/// @param delta undefined for none.
Normed add_rms_norm(const Tensor& residual, const Tensor& delta, const Tensor& weight,
                    double epsilon, c10::ScalarType type);

/// The same with layer normalisation.
Normed add_layer_norm(const Tensor& residual, const Tensor& delta, const Tensor& weight,
                      const Tensor& bias, double epsilon, c10::ScalarType type);

Tensor activate(const Tensor& x, Activation activation);

/// activation(gate) * up.
/// @param gate_up [..., 2 F], the gate first.
/// @return [..., F].
Tensor gated(const Tensor& gate_up, Activation activation);

}  // namespace agents::kernels
