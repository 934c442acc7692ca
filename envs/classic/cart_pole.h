#pragma once

#include <cstdint>

#include "envs/parallel_environment.h"

namespace envs {

/// Where the cart and its pole are: metres, metres per second, radians from upright, radians per
/// second.
struct CartPoleState {
  double position, velocity, angle, angular_velocity;
};

/// The state 0.02 s later, after pushing the cart with 10 N to the left (action 0) or to the right
/// (action 1): one explicit Euler step.
///
/// Source: Barto, Sutton & Anderson 1983, "Neuronlike adaptive elements"; constants and order of the
/// updates as in Gymnasium's CartPole-v1.
CartPoleState advance_cart_pole(const CartPoleState& state, int64_t action);

/// Whether the pole has fallen (beyond 12 degrees) or the cart has left the track (beyond 2.4 m).
bool has_fallen(const CartPoleState& state);

struct CartPoleOptions {
  uint64_t seed = 0;
  int64_t max_episode_steps = 500;
  bool restarts = false;  // rows that are over begin a new episode at the next step
  int threads = 1;        // that step a large batch
};

/// Balance a pole on a cart, as in Gymnasium's CartPole-v1: every step pays 1, also the one with which
/// the episode ends because the pole has fallen or the cart has left the track. It begins with every
/// number of the state uniform in [-0.05, 0.05). Observation: float32[4], the state.
class CartPole : public ParallelEnvironment {
 public:
  explicit CartPole(const CartPoleOptions& options);

 protected:
  void begin(uint64_t episode, std::span<double> state) const override;
  Outcome advance(std::span<double> state, int64_t action, const Moment& now) const override;
  void observe(std::span<const double> state, std::span<float> seen) const override;

 private:
  uint64_t key_;
};

}  // namespace envs
