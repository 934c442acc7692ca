#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rl/checkpoint.h"
#include "rl/trajectory.h"

namespace rl {

/// How much a store may hold; 0: no limit.
struct StoreLimits {
  int64_t rows = 0;
  int64_t bytes = 0;
};

/// Rows of trajectories in the order in which they came; beyond its limits the oldest leave.
///
/// Rows of worlds are kept in columns, a ring of one tensor per name that grows as it is needed, padded to
/// the longest row. Rows of text (prefixes) differ much in length and are kept one by one.
class RowStore {
 public:
  virtual ~RowStore() = default;

  /// A store for rows like those of `batch`, without rows.
  static std::unique_ptr<RowStore> make(const Trajectory& batch, const StoreLimits& limits);
  /// What `save` put, and null where it was saved without rows.
  static std::unique_ptr<RowStore> load(const State& state, const StoreLimits& limits,
                                        std::shared_ptr<const Readout> prior_readout);

  /// @param batch one row or more.
  /// @throws std::invalid_argument if a single row is larger than the limit, or if it lacks a tensor
  ///         that the other rows have.
  virtual void append(const Trajectory& batch) = 0;
  /// The oldest rows leave.
  virtual void drop(int64_t count) = 0;
  virtual int64_t size() const = 0;
  /// The given rows, 0 being the oldest, padded to the longest of them. Shares nothing that changes.
  virtual Trajectory select(const std::vector<int64_t>& rows) const = 0;
  virtual void save(State& state) const = 0;
};

}  // namespace rl
