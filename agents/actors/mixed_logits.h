#pragma once

#include <memory>

#include "agents/next_logits.h"

namespace agents {

/// A mixture of two distributions, (1 - share) student + share teacher; both are followed step by step. An
/// actor that draws from it records the mixture's log-probabilities.
///
/// Source: Gu et al. 2024, arXiv:2306.08543, equation 4.
class MixedLogits : public NextLogits {
 public:
  /// @throws std::invalid_argument for a share out of range.
  MixedLogits(std::unique_ptr<NextLogits> student, std::unique_ptr<NextLogits> teacher,
              double teacher_share);

  void begin(const rl::TimeStep& first) override;
  rl::Tensor of(const rl::TimeStep& now) override;
  void keep(const rl::Tensor& rows) override;

 private:
  std::unique_ptr<NextLogits> student_, teacher_;
  double share_;
};

}  // namespace agents
