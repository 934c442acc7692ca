#pragma once

#include "rl/environment.h"
#include "rl/tensor.h"

namespace agents {

/// What a model finds likely next in episodes that are played: who acts draws from it. Without gradient.
class NextLogits {
 public:
  virtual ~NextLogits() = default;

  virtual void begin(const rl::TimeStep& first) = 0;
  /// float32[B, A]. Asked once at every step, in order.
  virtual rl::Tensor of(const rl::TimeStep& now) = 0;
  /// Follows `Environment::keep`.
  virtual void keep(const rl::Tensor& rows) = 0;
};

}  // namespace agents
