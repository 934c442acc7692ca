#pragma once

#include <cstdint>
#include <vector>

#include "rl/parallel.h"
#include "rl/tensor.h"

namespace rl {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;  // decoupled: parameters shrink by learning_rate * weight_decay
};

/// Adam with decoupled weight decay. Gradients are handed in, so that it shares no state with
/// autograd; its moments are plain tensors, so that a checkpoint is complete.
///
/// Source: Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2.
class AdamW {
 public:
  AdamW(std::vector<Tensor> parameters, AdamWOptions options);

  /// One update in place.
  ///
  /// @param gradients one per parameter, float32; undefined counts as zero.
  /// @param scale every gradient is multiplied by it first: float32[].
  void step(const std::vector<Tensor>& gradients, const Tensor& scale, double learning_rate,
            const Threads& threads);

  std::vector<Tensor> first_moments, second_moments;  // as the parameters
  int64_t steps = 0;

 private:
  std::vector<Tensor> parameters_;
  AdamWOptions options_;
};

}  // namespace rl
