#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "agents/next_logits.h"
#include "agents/sampler.h"
#include "rl/policy.h"

namespace agents {

struct MixtureOptions {
  double teacher_share = 0.2;     // in [0, 1]
  SamplingOptions sampling = {};  // applied to the mixture
};

/// Draws every action from a mixture of two distributions, (1 - share) student + share teacher; both are
/// followed step by step. The log-probability that it records is the mixture's.
///
/// Source: Gu et al. 2024, arXiv:2306.08543, equation 4.
class Mixture : public rl::Actor {
 public:
  /// @param seed, role of its random draws.
  /// @throws std::invalid_argument for options out of range.
  Mixture(std::unique_ptr<NextLogits> student, std::unique_ptr<NextLogits> teacher,
          const MixtureOptions& options, uint64_t seed, std::string_view role);

  void begin(const rl::TimeStep& first) override;
  rl::Choice act(const rl::TimeStep& now) override;
  void keep(const rl::Tensor& rows) override;

 private:
  std::unique_ptr<NextLogits> student_, teacher_;
  MixtureOptions options_;
  uint64_t key_;
};

}  // namespace agents
