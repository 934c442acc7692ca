#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "rl/checkpoint.h"
#include "rl/trajectory.h"

namespace rl {

struct ReplayOptions {
  /// Rows kept; 0 means on-policy: what was collected is learned from and then forgotten.
  int64_t capacity = 0;
  /// On-policy: times each row is learned from before it is forgotten.
  int64_t epochs = 1;
};

/// Episodes waiting to be learned from. On-policy is the buffer in draining order: each epoch goes once
/// through everything collected, in a new order from the second epoch on. Replay draws rows uniformly
/// among the newest `capacity`.
///
/// Draws depend only on the seed and on how many were made.
class ReplayBuffer {
 public:
  ReplayBuffer(ReplayOptions options, uint64_t seed);

  void add(const Trajectory& batch);

  /// `batch_size` rows (on-policy: what is left of the epoch if that is less), or nothing: on-policy
  /// when everything is used up, replay when fewer rows than a batch are there.
  std::optional<Trajectory> sample(int64_t batch_size);

  int64_t size() const { return static_cast<int64_t>(rows_.size()); }

  void save(State& state) const;
  /// @param prior_readout the read-out of the prior features that rows hold, if they do.
  void load(const State& state, std::shared_ptr<const Readout> prior_readout);

 private:
  std::optional<Trajectory> drain(int64_t batch_size);
  std::optional<Trajectory> draw(int64_t batch_size);

  ReplayOptions options_;
  uint64_t seed_;
  std::deque<Trajectory> rows_;  // one row each
  int64_t next_ = 0;             // on-policy: place in the current epoch
  int64_t epoch_ = 0;
  int64_t draws_ = 0;
};

}  // namespace rl
