#include "rl/parallel.h"

#include <ATen/Parallel.h>
#include <tbb/info.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

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

}  // namespace rl
