#include "rl/parallel.h"

#include <ATen/Parallel.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <torch/torch.h>

namespace rl {

void run_parallel(const Threads& threads, int64_t count, const std::function<void(int64_t)>& f) {
  if (threads.shards <= 1 || count <= 1) {
    for (int64_t i = 0; i < count; ++i) f(i);
    return;
  }
  const int outside = at::get_num_threads();
  const bool with_grad = torch::GradMode::is_enabled();
  tbb::task_arena arena(threads.shards);
  arena.execute([&] {
    tbb::parallel_for(
        int64_t{0}, count,
        [&](int64_t i) {
          if (at::get_num_threads() != threads.per_shard) at::set_num_threads(threads.per_shard);
          torch::AutoGradMode mode(with_grad);
          f(i);
        },
        tbb::simple_partitioner());
  });
  at::set_num_threads(outside);
}

}  // namespace rl
