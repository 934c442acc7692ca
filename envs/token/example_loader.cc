#include "envs/token/example_loader.h"

#include <tbb/info.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "rl/check.h"
#include "rl/random.h"

namespace envs {
namespace {

// Workers there are: one thread of the machine is the caller's.
int arena_width(int64_t max_threads) {
  const int workers = std::max(1, tbb::info::default_concurrency() - 1);
  return max_threads > 0 ? std::min(workers, static_cast<int>(max_threads)) : workers;
}

}  // namespace

struct ExampleLoader::State {
  std::shared_ptr<const Examples> examples;
  ExampleLoaderOptions options;
  uint64_t key;
  tbb::task_arena arena;
  std::mutex mutex;
  std::map<int64_t, std::vector<int64_t>> orders;          // of the epochs in use
  std::map<int64_t, std::shared_future<Example>> pending;  // by position

  State(std::shared_ptr<const Examples> set, ExampleLoaderOptions chosen)
      : examples(std::move(set)),
        options(chosen),
        key(rl::role_key(chosen.seed, "examples")),
        arena(arena_width(chosen.max_threads), /*reserved_for_masters=*/0) {}

  int64_t index_of(int64_t position) {
    const int64_t epoch = position / examples->size();
    auto found = orders.find(epoch);
    if (found == orders.end()) {
      found =
          orders
              .emplace(epoch, rl::permutation(examples->size(), key, static_cast<uint64_t>(epoch)))
              .first;
    }
    return found->second[static_cast<size_t>(position % examples->size())];
  }

  void enqueue(int64_t position) {
    auto task = std::make_shared<std::packaged_task<Example()>>(
        [set = examples, index = index_of(position)] { return set->at(index); });
    pending.emplace(position, task->get_future().share());
    arena.enqueue([task] { (*task)(); });
  }

  // Forgets what was read past; readers run at most a read-ahead apart.
  void forget_before(int64_t position) {
    pending.erase(pending.begin(), pending.lower_bound(position));
    orders.erase(orders.begin(),
                 orders.lower_bound(std::max<int64_t>(0, position) / examples->size()));
  }

  Example at(int64_t position) {
    std::shared_future<Example> example;
    int64_t index = 0;
    {
      const std::lock_guard lock(mutex);
      for (int64_t p = position; p < position + options.ahead; ++p) {
        if (pending.count(p) == 0) enqueue(p);
      }
      example = pending.at(position);
      index = index_of(position);
      forget_before(position - options.ahead);
    }
    // Never waits for a worker: all of them may be waiting here.
    const bool ready = example.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    return ready ? example.get() : examples->at(index);
  }
};

ExampleLoader::ExampleLoader(std::shared_ptr<const Examples> examples,
                             ExampleLoaderOptions options) {
  rl::require(options.ahead >= 1, "ahead needs at least 1, found " + std::to_string(options.ahead));
  state_ = std::make_unique<State>(std::move(examples), options);
}

ExampleLoader::~ExampleLoader() = default;

Example ExampleLoader::at(int64_t position) {
  rl::require(position >= 0, "a position needs at least 0, found " + std::to_string(position));
  return state_->at(position);
}

}  // namespace envs
