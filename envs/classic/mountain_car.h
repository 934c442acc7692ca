#pragma once

#include <cstdint>

#include "envs/parallel_environment.h"

namespace envs {

/// Where the car is along the track and how far it moves in a step.
struct MountainCarState {
  double position, velocity;
};

/// The state a step later, after pushing the car to the left (action 0), not at all (1) or to the right
/// (2). At the left wall it stops.
///
/// Source: Moore 1990, "Efficient memory-based learning for robot control"; constants as in Gymnasium's
/// MountainCar-v0.
MountainCarState advance_mountain_car(const MountainCarState& state, int64_t action);

/// Whether the car stands on the right hill: at 0.5 or beyond, and not moving back.
bool has_arrived(const MountainCarState& state);

struct MountainCarOptions {
  uint64_t seed = 0;
  int64_t max_episode_steps = 200;
  bool restarts = false;  // rows that are over begin a new episode at the next step
  int threads = 1;        // that step a large batch
};

/// Drive an underpowered car out of a valley, as in Gymnasium's MountainCar-v0: every step pays -1, also
/// the one that arrives. It begins at rest, at a position uniform in [-0.6, -0.4). Observation:
/// float32[2], the state.
class MountainCar : public ParallelEnvironment {
 public:
  explicit MountainCar(const MountainCarOptions& options);

 protected:
  void begin(uint64_t episode, std::span<double> state) const override;
  Outcome advance(std::span<double> state, int64_t action, const Moment& now) const override;
  void observe(std::span<const double> state, std::span<float> seen) const override;

 private:
  uint64_t key_;
};

}  // namespace envs
