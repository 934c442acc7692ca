#pragma once

#include <cstdint>

#include "envs/parallel_environment.h"

namespace envs {

struct ChainOptions {
  int64_t length = 6;               // states, at least 2
  double small_reward = 0;          // paid for going left in the first state
  int64_t max_episode_steps = 100;  // steps
  bool restarts = false;            // rows that are over begin a new episode at the next step
  int threads = 1;                  // that step a large batch
};

/// A row of states whose best behaviour is known exactly. An episode begins in the first; action 0
/// goes left (in the first state it stays there and pays `small_reward`), action 1 goes right; reaching
/// the last state pays 1 and ends. Who looks too short ahead is content with the small reward.
/// Observation: float32[length], one-hot.
class Chain : public ParallelEnvironment {
 public:
  /// @throws std::invalid_argument if length is below 2.
  explicit Chain(const ChainOptions& options);

  /// The value of an action in a state if all later ones are the best, with discount gamma in (0, 1),
  /// where truncation is not an end.
  double optimal_q(int64_t state, int64_t action, double gamma) const;
  double optimal_value(int64_t state, double gamma) const;

 protected:
  void begin(uint64_t episode, std::span<double> state) const override;
  Outcome advance(std::span<double> state, int64_t action, const Moment& now) const override;
  void observe(std::span<const double> state, std::span<float> seen) const override;

 private:
  ChainOptions options_;
};

}  // namespace envs
