#pragma once

#include <cstdint>

#include "envs/parallel_environment.h"

namespace envs {

/// The angles of two links, in radians (the first from hanging straight down, the second from the
/// direction of the first, both in [-pi, pi]), and how fast they turn, in radians per second.
struct AcrobotState {
  double angle1, angle2, spin1, spin2;
};

/// The state 0.2 s later, under a torque of -1, 0 or 1 N m (actions 0, 1, 2) on the joint between the
/// links: one Runge-Kutta step of fourth order.
///
/// Source: Sutton 1996, "Generalization in reinforcement learning: successful examples using sparse coarse
/// coding", with the dynamics of Sutton & Barto's book; constants as in Gymnasium's Acrobot-v1.
AcrobotState advance_acrobot(const AcrobotState& state, int64_t action);

/// Whether the free end is higher than one link's length above the fixed one.
bool is_high(const AcrobotState& state);

struct AcrobotOptions {
  uint64_t seed = 0;
  int64_t max_episode_steps = 500;
  bool restarts = false;  // rows that are over begin a new episode at the next step
  int threads = 1;        // that step a large batch
};

/// Swing up two links by the joint between them, as in Gymnasium's Acrobot-v1: every step pays -1 but
/// the one that arrives, which pays 0. It begins with every number of the state uniform in
/// [-0.1, 0.1). Observation: float32[6], cosine and sine of the first and of the second angle, and
/// the two velocities.
class Acrobot : public ParallelEnvironment {
 public:
  explicit Acrobot(const AcrobotOptions& options);

 protected:
  void begin(uint64_t episode, std::span<double> state) const override;
  Outcome advance(std::span<double> state, int64_t action, const Moment& now) const override;
  void observe(std::span<const double> state, std::span<float> seen) const override;

 private:
  uint64_t key_;
};

}  // namespace envs
