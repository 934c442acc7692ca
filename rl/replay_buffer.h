#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <shared_mutex>

#include "rl/checkpoint.h"
#include "rl/priorities.h"
#include "rl/row_store.h"
#include "rl/trajectory.h"

namespace rl {

/// On-policy, what was collected is learned from and then forgotten; with a capacity of rows or bytes,
/// rows are kept until newer ones need their place.
struct ReplayOptions {
  int64_t capacity = 0;        // rows kept; 0: no limit by rows
  int64_t epochs = 1;          // on-policy: times each row is learned from before it is forgotten
  int64_t capacity_bytes = 0;  // bytes of tensors kept; 0: no limit by bytes
  int64_t warm_up = 0;         // replay: rows that must be there before the first draw
  int64_t n_step = 0;  // 0: rows are kept as they come; n: a row per step, see `transitions`
  double gamma = 1;    // of the n steps
  std::optional<PriorityOptions> priorities = std::nullopt;  // replay: nothing draws uniformly

  bool on_policy() const { return capacity == 0 && capacity_bytes == 0; }
};

/// Episodes waiting to be learned from. On-policy is the buffer in draining order: each epoch goes once
/// through everything collected, in a new order from the second epoch on. Replay draws rows among the
/// newest, with replacement: uniformly, or by priority.
///
/// Draws depend only on the seed, on how many were made and on the rows, not on where they are kept.
///
/// While one thread adds and updates, others may sample.
class ReplayBuffer {
 public:
  /// @throws std::invalid_argument for options out of range, or on-policy with priorities.
  ReplayBuffer(ReplayOptions options, uint64_t seed);

  /// @throws ShapeError, std::invalid_argument as Trajectory::validate does.
  void add(const Trajectory& batch);

  /// `batch_size` rows (on-policy: what is left of the epoch if that is less), or nothing: on-policy
  /// when everything is used up, replay when too few rows are there. Drawn by priority, rows say
  /// their `importance` and `memory_row`.
  ///
  /// @param progress share of the training done, in [0, 1].
  /// @throws std::invalid_argument if so many rows can never be there.
  std::optional<Trajectory> sample(int64_t batch_size, double progress = 0);

  /// What the learners found of a batch that was drawn by priority; nothing is done for others.
  ///
  /// @param errors float32[B], see `Learner::accumulate`; undefined: none.
  void update(const Trajectory& batch, const Tensor& errors);

  /// On-policy: forgets what was collected, used up or not.
  void forget();

  int64_t size() const;

  void save(State& state) const;
  /// @param prior_readout the read-out of the prior features that rows hold, if they do.
  void load(const State& state, std::shared_ptr<const Readout> prior_readout);

 private:
  // Shared by readers, alone for the writer. Behind a pointer, so that a buffer can be moved.
  struct Guard {
    std::shared_mutex mutex;
    std::atomic<int64_t> draws = 0;
  };

  void clear();
  int64_t count() const { return rows_ ? rows_->size() : 0; }
  std::optional<Trajectory> drain(int64_t batch_size);
  std::optional<Trajectory> draw(int64_t batch_size, double progress) const;
  void require_room(int64_t batch_size) const;

  ReplayOptions options_;
  uint64_t seed_;
  std::unique_ptr<Guard> guard_ = std::make_unique<Guard>();
  std::unique_ptr<RowStore> rows_;  // null before the first row
  std::optional<Priorities> priorities_;
  int64_t added_ = 0;  // rows, in all
  int64_t next_ = 0;   // on-policy: place in the current epoch
  int64_t epoch_ = 0;
};

}  // namespace rl
