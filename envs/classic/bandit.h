#pragma once

#include <cstdint>
#include <vector>

#include "envs/parallel_environment.h"

namespace envs {

struct BanditOptions {
  std::vector<double> mean_rewards;  // one per arm
  double noise = 0;                  // standard deviation of what an arm pays
  uint64_t seed = 0;
  bool restarts = false;  // rows that are over begin a new episode at the next step
  int threads = 1;        // that step a large batch
};

/// The smallest world: one state, and an episode is the pull of one of k arms, which pays its mean reward
/// and normal noise. Observation: float32[1], always 1.
class Bandit : public ParallelEnvironment {
 public:
  /// @throws std::invalid_argument if there is no arm, or a reward or the noise is not a finite number
  ///     (the noise at least 0).
  explicit Bandit(const BanditOptions& options);

 protected:
  void begin(uint64_t episode, std::span<double> state) const override;
  Outcome advance(std::span<double> state, int64_t action, const Moment& now) const override;
  void observe(std::span<const double> state, std::span<float> seen) const override;

 private:
  BanditOptions options_;
  uint64_t key_;
};

}  // namespace envs
