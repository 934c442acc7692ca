#include "agents/moving_average.h"

#include <string>
#include <utility>

#include "rl/check.h"
#include "rl/checkpoint.h"
#include "rl/torch.h"

namespace agents {

MovingAverage::MovingAverage(Decoder average, Decoder leader, double share)
    : average_(std::move(average)), leader_(std::move(leader)), share_(share) {
  rl::require(share > 0 && share <= 1,
              "a moving average needs a share in (0, 1], found " + std::to_string(share));
}

void MovingAverage::follow(const rl::Trajectory&) {
  torch::NoGradGuard no_grad;
  const auto towards = leader_->named_parameters();
  for (auto& parameter : average_->named_parameters()) {
    parameter.value().lerp_(towards[parameter.key()], share_);
  }
}

void MovingAverage::save(rl::State& state) const {
  for (const auto& parameter : average_->named_parameters()) {
    state.put(parameter.key(), parameter.value());
  }
}

void MovingAverage::load(const rl::State& state) {
  torch::NoGradGuard no_grad;
  for (auto& parameter : average_->named_parameters()) {
    parameter.value().copy_(state.tensor(parameter.key()));
  }
}

}  // namespace agents
