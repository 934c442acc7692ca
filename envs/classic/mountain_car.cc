#include "envs/classic/mountain_car.h"

#include <algorithm>
#include <cmath>

#include "rl/random.h"

namespace envs {
namespace {

constexpr double kForce = 0.001;
constexpr double kGravity = 0.0025;
constexpr double kMinPosition = -1.2, kMaxPosition = 0.6;
constexpr double kMaxSpeed = 0.07;
constexpr double kGoal = 0.5;
constexpr double kMinStart = -0.6, kMaxStart = -0.4;

}  // namespace

MountainCarState advance_mountain_car(const MountainCarState& state, int64_t action) {
  const double push =
      static_cast<double>(action - 1) * kForce - std::cos(3 * state.position) * kGravity;
  double velocity = std::clamp(state.velocity + push, -kMaxSpeed, kMaxSpeed);
  const double position = std::clamp(state.position + velocity, kMinPosition, kMaxPosition);
  if (position == kMinPosition && velocity < 0) velocity = 0;
  return {position, velocity};
}

bool has_arrived(const MountainCarState& state) {
  return state.position >= kGoal && state.velocity >= 0;
}

MountainCar::MountainCar(const MountainCarOptions& options)
    : ParallelEnvironment({.observation = {.name = "position and velocity",
                                           .shape = {2},
                                           .minimum = kMinPosition,
                                           .maximum = kMaxPosition},
                           .restarts = options.restarts,
                           .action_count = 3,
                           .max_actions = 3,
                           .max_episode_steps = options.max_episode_steps},
                          /*state_size=*/2, options.threads),
      key_(rl::role_key(options.seed, "mountain_car/reset")) {}

void MountainCar::begin(uint64_t episode, std::span<double> state) const {
  state[0] = kMinStart + (kMaxStart - kMinStart) * rl::uniform(key_, episode, 0);
  state[1] = 0;
}

ParallelEnvironment::Outcome MountainCar::advance(std::span<double> state, int64_t action,
                                                  const Moment&) const {
  const MountainCarState next = advance_mountain_car({state[0], state[1]}, action);
  state[0] = next.position;
  state[1] = next.velocity;
  return {.reward = -1, .ended = has_arrived(next)};
}

void MountainCar::observe(std::span<const double> state, std::span<float> seen) const {
  for (size_t i = 0; i < seen.size(); ++i) seen[i] = static_cast<float>(state[i]);
}

}  // namespace envs
