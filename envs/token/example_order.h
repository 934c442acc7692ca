#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace envs {

/// The order in which examples are visited, without end: every epoch is a random permutation that is
/// a function of (seed, epoch). May be used from several threads at once.
class ExampleOrder {
 public:
  /// @param size number of examples, at least 1.
  ExampleOrder(int64_t size, uint64_t seed);

  /// The example at a position, counted from 0 over all epochs.
  ///
  /// @throws std::invalid_argument for a negative position.
  int64_t at(int64_t position) const;

 private:
  int64_t size_;
  uint64_t key_;
  mutable std::mutex mutex_;
  mutable std::map<int64_t, std::vector<int64_t>> epochs_;  // the few in use
};

}  // namespace envs
