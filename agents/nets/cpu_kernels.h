#pragma once

/// Loops over raw memory behind agents/nets/kernels.cc. The file cpu_kernels.cc is compiled once per
/// instruction set, and the best that the machine has is chosen when the program runs. Nothing here
/// allocates or knows LibTorch.

#include <cstdint>

namespace agents::kernels {

/// The upper half of a float32.
struct Bfloat16 {
  uint16_t bits;
};

/// One sequence's queries, keys and values for one key-value head and the query heads that share it.
/// Element (position t, head h, i) of a [B, T, heads, head_width] tensor stands at t * row + h *
/// head_width + i.
template <class T>
struct AttentionProblem {
  const T* query;  // first head of the group
  const T* key;
  const T* value;
  int64_t row;     // of the three
  int64_t length;  // T
  int64_t from;    // first position whose output is wanted
  int64_t group;   // query heads
  int64_t head_width;
  int64_t window;  // 0: all
  float scale;
  const float* cosine;  // [T, head_width / 2]; null for no rotation
  const float* sine;
};

template <class T>
struct AttentionGradient {
  const T* output;           // [T - from, ...] of the forward pass, first head of the group
  const T* gradient;         // with respect to it
  int64_t output_row;        // of both
  const float* log_sum_exp;  // [group, T - from]
  T* query;                  // gradients, laid out as the problem's
  T* key;
  T* value;
};

/// One sequence's new positions against its part of a cache.
template <class T>
struct CachedProblem {
  AttentionProblem<T> fresh;  // length: new positions; cosine and sine from the first new one on
  T* keys;                    // [head_width, capacity]
  T* values;                  // [capacity, head_width]
  int64_t capacity;           // a multiple of 16; what is beyond `before` may be anything finite
  int64_t before;             // positions in the cache
};

/// T is float or Bfloat16. Sums and softmax are float32 throughout.
template <class T>
struct CpuKernelsOf {
  /// Floats of scratch memory for `attend`, and for `attend_backward`.
  int64_t (*scratch)(int64_t length, int64_t head_width);
  int64_t (*scratch_backward)(int64_t length, int64_t head_width);
  /// @param output [T - from, ...], first head of the group, with `output_row` from row to row.
  /// @param log_sum_exp [group, T - from] of the scores, for the backward pass; may be null.
  void (*attend)(const AttentionProblem<T>& problem, T* output, int64_t output_row,
                 float* log_sum_exp, float* scratch);
  /// Writes every element of the group's key and value gradients; of the query gradients those of
  /// positions before `from` become zero.
  void (*attend_backward)(const AttentionProblem<T>& problem, const AttentionGradient<T>& gradient,
                          float* scratch);
  int64_t (*scratch_cached)(int64_t before, int64_t length, int64_t head_width);
  /// Appends the new keys and values to the cache, then attends.
  void (*attend_cached)(const CachedProblem<T>& problem, T* output, int64_t output_row,
                        float* scratch);

  /// sum = residual + delta; normed = sum * reciprocal * weight with reciprocal = 1 /
  /// sqrt(mean(sum^2) + epsilon). Where delta is null the sum is the residual and not written.
  void (*rms_norm)(int64_t rows, int64_t width, const float* residual, const T* delta,
                   const float* weight, float epsilon, float* sum, T* normed, float* reciprocal);
  /// to_sum = gradient with respect to `sum` (may be null) + the one through `normed`;
  /// to_delta the same rounded (may be null); to_weight [width] is added to (may be null).
  void (*rms_norm_backward)(int64_t rows, int64_t width, const float* sum, const float* weight,
                            const float* reciprocal, const float* gradient_of_sum,
                            const T* gradient_of_normed, float* to_sum, T* to_delta,
                            float* to_weight);

  /// out[i] = silu(gate[i]) * up[i] for rows of 2 width, the gate first.
  void (*gated_silu)(int64_t rows, int64_t width, const T* gate_up, T* out);
  void (*gated_silu_backward)(int64_t rows, int64_t width, const T* gate_up, const T* gradient,
                              T* to_gate_up);
};

struct CpuKernels {
  CpuKernelsOf<float> of_float;
  CpuKernelsOf<Bfloat16> of_bfloat16;
};

/// The best set of kernels for this machine.
const CpuKernels& cpu_kernels();

}  // namespace agents::kernels
