#include "envs/classic/acrobot.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "rl/random.h"

namespace envs {
namespace {

constexpr double kGravity = 9.8;   // m/s^2
constexpr double kMass = 1;        // kg, of each link
constexpr double kLength = 1;      // m, of the first link
constexpr double kCenter = 0.5;    // m, from a link's joint to its centre of mass
constexpr double kInertia = 1;     // kg m^2, of each link
constexpr double kTimeStep = 0.2;  // s
constexpr double kMaxSpin1 = 4 * std::numbers::pi, kMaxSpin2 = 9 * std::numbers::pi;
constexpr double kMaxStart = 0.1;

// How fast the state changes.
AcrobotState rate(const AcrobotState& state, double torque) {
  const auto& [angle1, angle2, spin1, spin2] = state;
  const double sine2 = std::sin(angle2), cosine2 = std::cos(angle2);
  const double d1 =
      kMass * kCenter * kCenter +
      kMass * (kLength * kLength + kCenter * kCenter + 2 * kLength * kCenter * cosine2) +
      2 * kInertia;
  const double d2 = kMass * (kCenter * kCenter + kLength * kCenter * cosine2) + kInertia;
  const double phi2 = kMass * kCenter * kGravity * std::sin(angle1 + angle2);
  const double phi1 = -kMass * kLength * kCenter * spin2 * (spin2 + 2 * spin1) * sine2 +
                      (kMass * kCenter + kMass * kLength) * kGravity * std::sin(angle1) + phi2;
  const double acceleration2 =
      (torque + d2 / d1 * phi1 - kMass * kLength * kCenter * spin1 * spin1 * sine2 - phi2) /
      (kMass * kCenter * kCenter + kInertia - d2 * d2 / d1);
  const double acceleration1 = -(d2 * acceleration2 + phi1) / d1;
  return {spin1, spin2, acceleration1, acceleration2};
}

AcrobotState moved(const AcrobotState& state, const AcrobotState& rate, double time) {
  return {state.angle1 + time * rate.angle1, state.angle2 + time * rate.angle2,
          state.spin1 + time * rate.spin1, state.spin2 + time * rate.spin2};
}

double wrapped(double angle) {
  constexpr double kTurn = 2 * std::numbers::pi;
  while (angle > std::numbers::pi) angle -= kTurn;
  while (angle < -std::numbers::pi) angle += kTurn;
  return angle;
}

}  // namespace

AcrobotState advance_acrobot(const AcrobotState& state, int64_t action) {
  const auto torque = static_cast<double>(action - 1);
  const AcrobotState k1 = rate(state, torque);
  const AcrobotState k2 = rate(moved(state, k1, kTimeStep / 2), torque);
  const AcrobotState k3 = rate(moved(state, k2, kTimeStep / 2), torque);
  const AcrobotState k4 = rate(moved(state, k3, kTimeStep), torque);
  AcrobotState next = moved(state, k1, kTimeStep / 6);
  next = moved(next, k2, kTimeStep / 3);
  next = moved(next, k3, kTimeStep / 3);
  next = moved(next, k4, kTimeStep / 6);
  return {wrapped(next.angle1), wrapped(next.angle2), std::clamp(next.spin1, -kMaxSpin1, kMaxSpin1),
          std::clamp(next.spin2, -kMaxSpin2, kMaxSpin2)};
}

bool is_high(const AcrobotState& state) {
  return -std::cos(state.angle1) - std::cos(state.angle2 + state.angle1) > 1;
}

Acrobot::Acrobot(const AcrobotOptions& options)
    : ParallelEnvironment({.observation = {.name = "angles and velocities",
                                           .shape = {6},
                                           .minimum = -kMaxSpin2,
                                           .maximum = kMaxSpin2},
                           .restarts = options.restarts,
                           .action_count = 3,
                           .max_actions = 3,
                           .max_episode_steps = options.max_episode_steps},
                          /*state_size=*/4, options.threads),
      key_(rl::role_key(options.seed, "acrobot/reset")) {}

void Acrobot::begin(uint64_t episode, std::span<double> state) const {
  for (size_t i = 0; i < state.size(); ++i) {
    state[i] = kMaxStart * (2 * rl::uniform(key_, episode, i) - 1);
  }
}

ParallelEnvironment::Outcome Acrobot::advance(std::span<double> state, int64_t action,
                                              const Moment&) const {
  const AcrobotState next = advance_acrobot({state[0], state[1], state[2], state[3]}, action);
  state[0] = next.angle1;
  state[1] = next.angle2;
  state[2] = next.spin1;
  state[3] = next.spin2;
  const bool arrived = is_high(next);
  return {.reward = arrived ? 0.0 : -1.0, .ended = arrived};
}

void Acrobot::observe(std::span<const double> state, std::span<float> seen) const {
  seen[0] = static_cast<float>(std::cos(state[0]));
  seen[1] = static_cast<float>(std::sin(state[0]));
  seen[2] = static_cast<float>(std::cos(state[1]));
  seen[3] = static_cast<float>(std::sin(state[1]));
  seen[4] = static_cast<float>(state[2]);
  seen[5] = static_cast<float>(state[3]);
}

}  // namespace envs
