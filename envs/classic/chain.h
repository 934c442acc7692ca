#pragma once

#include <cstdint>

#include "envs/classic/classic_environment.h"

namespace envs {

struct ChainOptions {
  int64_t length = 6;               // states, at least 2
  double small_reward = 0;          // paid for going left in the first state
  int64_t max_episode_steps = 100;  // steps
  bool restarts = false;            // rows that are over begin a new episode at the next step
};

/// A row of states whose best behaviour is known exactly. An episode begins in the first; action 0
/// goes left (in the first state it stays there and pays `small_reward`), action 1 goes right; reaching
/// the last state pays 1 and ends. Who looks too short ahead is content with the small reward.
/// Observation: float32[length], one-hot.
class Chain : public ClassicEnvironment {
 public:
  /// @throws std::invalid_argument if length is below 2.
  explicit Chain(const ChainOptions& options);

  /// The value of an action in a state if all later ones are the best, with discount gamma in (0, 1),
  /// where truncation is not an end.
  double optimal_q(int64_t state, int64_t action, double gamma) const;
  double optimal_value(int64_t state, double gamma) const;

 protected:
  State begin(int64_t episode) const override;
  Outcome advance(State& state, int64_t action) const override;
  void observe(const State& state, float* seen) const override;

 private:
  ChainOptions options_;
};

}  // namespace envs
