#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "agents/next_logits.h"
#include "agents/sampler.h"
#include "rl/policy.h"

namespace agents {

/// Draws actions from what a model finds likely next, projected on those on offer.
class LogitsActor : public rl::Actor {
 public:
  /// @param seed, role of its random draws.
  /// @throws std::invalid_argument for options out of range.
  LogitsActor(std::unique_ptr<NextLogits> next, const SamplingOptions& sampling, uint64_t seed,
              std::string_view role);

  void begin(const rl::TimeStep& first) override;
  rl::Choice act(const rl::TimeStep& now) override;
  void keep(const rl::Tensor& rows) override;

 private:
  std::unique_ptr<NextLogits> next_;
  SamplingOptions sampling_;
  uint64_t key_;
};

}  // namespace agents
