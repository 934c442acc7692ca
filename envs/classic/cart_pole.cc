#include "envs/classic/cart_pole.h"

#include <cmath>
#include <numbers>

#include "rl/random.h"

namespace envs {
namespace {

constexpr double kGravity = 9.8;      // m/s^2
constexpr double kCartMass = 1.0;     // kg
constexpr double kPoleMass = 0.1;     // kg
constexpr double kHalfLength = 0.5;   // m, from the pivot to the pole's centre
constexpr double kForce = 10.0;       // N
constexpr double kTimeStep = 0.02;    // s
constexpr double kMaxPosition = 2.4;  // m
constexpr double kMaxAngle = 12 * std::numbers::pi / 180;
constexpr double kMaxStart = 0.05;

constexpr double kTotalMass = kCartMass + kPoleMass;
constexpr double kPoleMoment = kPoleMass * kHalfLength;

}  // namespace

CartPoleState advance_cart_pole(const CartPoleState& state, int64_t action) {
  const auto& [x, v, angle, spin] = state;
  const double force = action == 1 ? kForce : -kForce;
  const double sine = std::sin(angle), cosine = std::cos(angle);
  const double push = (force + kPoleMoment * spin * spin * sine) / kTotalMass;
  const double angular_acceleration =
      (kGravity * sine - cosine * push) /
      (kHalfLength * (4.0 / 3.0 - kPoleMass * cosine * cosine / kTotalMass));
  const double acceleration = push - kPoleMoment * angular_acceleration * cosine / kTotalMass;
  return {x + kTimeStep * v, v + kTimeStep * acceleration, angle + kTimeStep * spin,
          spin + kTimeStep * angular_acceleration};
}

bool has_fallen(const CartPoleState& state) {
  return std::abs(state.position) > kMaxPosition || std::abs(state.angle) > kMaxAngle;
}

CartPole::CartPole(const CartPoleOptions& options)
    : ParallelEnvironment({.observation = {.name = "cart and pole", .shape = {4}},
                           .restarts = options.restarts,
                           .action_count = 2,
                           .max_actions = 2,
                           .max_episode_steps = options.max_episode_steps},
                          /*state_size=*/4, options.threads),
      key_(rl::role_key(options.seed, "cart_pole/reset")) {}

void CartPole::begin(uint64_t episode, std::span<double> state) const {
  for (size_t i = 0; i < state.size(); ++i) {
    state[i] = kMaxStart * (2 * rl::uniform(key_, episode, i) - 1);
  }
}

ParallelEnvironment::Outcome CartPole::advance(std::span<double> state, int64_t action,
                                               const Moment&) const {
  const CartPoleState next = advance_cart_pole({state[0], state[1], state[2], state[3]}, action);
  state[0] = next.position;
  state[1] = next.velocity;
  state[2] = next.angle;
  state[3] = next.angular_velocity;
  return {.reward = 1, .ended = has_fallen(next)};
}

void CartPole::observe(std::span<const double> state, std::span<float> seen) const {
  for (size_t i = 0; i < seen.size(); ++i) seen[i] = static_cast<float>(state[i]);
}

}  // namespace envs
