#include "envs/token/example_loader.h"

#include <tbb/info.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <deque>
#include <future>
#include <map>
#include <stdexcept>

#include "rl/random.h"

namespace envs {
namespace {

using Batch = std::vector<Example>;
using Order = std::shared_ptr<const std::vector<int64_t>>;

// One slot of the arena is kept for the caller, who never works in it; TBB complains when asked for
// more workers than it has.
int arena_width(int64_t max_threads) {
  const int64_t workers = std::max(1, tbb::info::default_concurrency() - 1);
  return 1 + static_cast<int>(max_threads > 0 ? std::min(max_threads, workers) : workers);
}

}  // namespace

struct ExampleLoader::State {
  std::shared_ptr<const Examples> examples;
  ExampleLoaderOptions options;
  uint64_t key;
  tbb::task_arena arena;
  int64_t position = 0;                  // handed out
  std::deque<std::future<Batch>> ahead;  // the batches from `position` on
  std::map<int64_t, Order> orders;       // of the epochs in use

  State(std::shared_ptr<const Examples> set, ExampleLoaderOptions chosen)
      : examples(std::move(set)),
        options(chosen),
        key(rl::role_key(chosen.seed, "examples")),
        arena(arena_width(chosen.max_threads), /*reserved_for_masters=*/1) {}

  ~State() { drop_ahead(); }

  void drop_ahead() {
    for (std::future<Batch>& batch : ahead) batch.wait();
    ahead.clear();
  }

  const Order& order_of(int64_t epoch) {
    Order& order = orders[epoch];
    if (!order) {
      order = std::make_shared<const std::vector<int64_t>>(
          rl::permutation(examples->size(), key, static_cast<uint64_t>(epoch)));
    }
    return order;
  }

  std::vector<int64_t> indices_from(int64_t start) {
    std::vector<int64_t> indices;
    for (int64_t p = start; p < start + options.batch_size; ++p) {
      const Order& order = order_of(p / examples->size());
      indices.push_back((*order)[static_cast<size_t>(p % examples->size())]);
    }
    return indices;
  }

  void enqueue(int64_t start) {
    auto task = std::make_shared<std::packaged_task<Batch()>>(
        [set = examples, indices = indices_from(start)] {
          Batch batch;
          for (const int64_t index : indices) batch.push_back(set->at(index));
          return batch;
        });
    ahead.push_back(task->get_future());
    arena.enqueue([task] { (*task)(); });
  }

  void fill() {
    while (static_cast<int64_t>(ahead.size()) < options.batches_ahead) {
      enqueue(position + static_cast<int64_t>(ahead.size()) * options.batch_size);
    }
    const int64_t epoch = position / examples->size();
    orders.erase(orders.begin(), orders.lower_bound(epoch));
  }
};

ExampleLoader::ExampleLoader(std::shared_ptr<const Examples> examples,
                             ExampleLoaderOptions options) {
  if (options.batch_size < 1 || options.batches_ahead < 1) {
    throw std::invalid_argument("batch_size and batches_ahead need at least 1, found " +
                                std::to_string(options.batch_size) + " and " +
                                std::to_string(options.batches_ahead));
  }
  state_ = std::make_unique<State>(std::move(examples), options);
}

ExampleLoader::~ExampleLoader() = default;

std::vector<Example> ExampleLoader::next() {
  State& s = *state_;
  s.fill();
  std::future<Batch> front = std::move(s.ahead.front());
  s.ahead.pop_front();
  try {
    Batch batch = front.get();
    s.position += s.options.batch_size;
    s.fill();  // goes on while the caller uses this one
    return batch;
  } catch (...) {
    s.drop_ahead();
    throw;
  }
}

int64_t ExampleLoader::position() const { return state_->position; }

void ExampleLoader::seek(int64_t position) {
  if (position < 0) {
    throw std::invalid_argument("a position needs at least 0, found " + std::to_string(position));
  }
  state_->drop_ahead();
  state_->position = position;
  state_->orders.clear();
}

}  // namespace envs
