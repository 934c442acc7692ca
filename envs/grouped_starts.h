#pragma once

#include <cstdint>
#include <memory>

#include "rl/environment.h"

namespace envs {

/// A world whose episodes begin alike in groups: episode e begins as the world's episode e / size, and so
/// do its random turns, while whoever acts sees e and draws anew. What is learned by comparing
/// episodes of one start needs it (rl::Baseline::group and leave_one_out).
class GroupedStarts : public rl::Environment {
 public:
  /// @throws std::invalid_argument for a size below 1, or for a world that restarts by itself.
  GroupedStarts(std::unique_ptr<rl::Environment> world, int64_t size);

  const rl::EnvironmentSpec& spec() const override { return world_->spec(); }
  rl::TimeStep reset(const rl::Tensor& episodes) override;
  rl::TimeStep step(const rl::Tensor& action_ids) override;
  void keep(const rl::Tensor& rows) override;

 private:
  std::unique_ptr<rl::Environment> world_;
  int64_t size_;
  rl::Tensor episodes_;  // int64[B], as seen from outside
};

}  // namespace envs
