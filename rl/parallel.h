#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace rl {

/// How the cores are shared: `shards` parts of a batch at a time, `per_shard` threads inside the
/// operators of each.
///
/// Small models scale over shards, for operators on little data mostly wait for each other; large ones
/// over threads inside operators.
struct Threads {
  int shards = 1;
  int per_shard = 1;

  int total() const { return shards * per_shard; }
};

/// Cores of the machine that this process may use.
int core_count();

/// Runs f(0) .. f(count - 1), `threads.shards` at a time, and returns when all are done. Rethrows the
/// first error. Which thread runs what has no influence on results.
void run_parallel(const Threads& threads, int64_t count, const std::function<void(int64_t)>& f);

/// Threads that stay ready between calls, for short work without tensors: LibTorch's own are left alone.
class Workers {
 public:
  /// @param threads that work at a time, the caller's among them; at most one per core is used.
  explicit Workers(int threads);
  ~Workers();

  /// Cuts [0, size) into blocks of about `block`, runs f(begin, end) on each, and returns when all are
  /// done. What is no larger than a block is run at once by the caller.
  void run_blocks(int64_t size, int64_t block,
                  const std::function<void(int64_t begin, int64_t end)>& f) const;

 private:
  struct Arena;
  std::unique_ptr<Arena> arena_;  // null: the caller alone
};

/// Cuts [0, size) into `parts` ranges of nearly equal length and gives the begin of range i.
inline int64_t part_begin(int64_t size, int64_t parts, int64_t i) { return size * i / parts; }

}  // namespace rl
