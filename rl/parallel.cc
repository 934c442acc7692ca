#include "rl/parallel.h"

#include <ATen/Parallel.h>
#include <tbb/blocked_range.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>

#include "rl/torch.h"

namespace rl {

namespace {

// Setting it is slow (LibTorch makes a pool of threads anew), so it is left alone where it is right:
// threads of the pool live on and keep it.
void use_threads(int count) {
  if (at::get_num_threads() != count) at::set_num_threads(count);
}

}  // namespace

int core_count() { return tbb::info::default_concurrency(); }

void run_parallel(const Threads& threads, int64_t count, const std::function<void(int64_t)>& f) {
  if (threads.shards <= 1 || count <= 1) {
    use_threads(threads.per_shard);
    for (int64_t i = 0; i < count; ++i) f(i);
    return;
  }
  const bool with_grad = torch::GradMode::is_enabled();
  tbb::task_arena arena(threads.shards);
  arena.execute([&] {
    tbb::parallel_for(
        int64_t{0}, count,
        [&](int64_t i) {
          use_threads(threads.per_shard);
          torch::AutoGradMode mode(with_grad);
          f(i);
        },
        tbb::simple_partitioner());
  });
}

// Kept, because a thread that has left an arena takes longer to wake than to step a thousand worlds.
struct Workers::Arena {
  explicit Arena(int threads) : arena(threads) {}
  tbb::task_arena arena;
};

Workers::Workers(int threads) {
  const int count = std::min(threads, core_count());
  if (count > 1) arena_ = std::make_unique<Arena>(count);
}

Workers::~Workers() = default;

void Workers::run_blocks(int64_t size, int64_t block,
                         const std::function<void(int64_t, int64_t)>& f) const {
  if (!arena_ || size <= block) {
    f(0, size);
    return;
  }
  arena_->arena.execute([&] {
    tbb::parallel_for(
        tbb::blocked_range<int64_t>(0, size, static_cast<size_t>(block)),
        [&](const tbb::blocked_range<int64_t>& range) { f(range.begin(), range.end()); },
        tbb::simple_partitioner());
  });
}

}  // namespace rl
