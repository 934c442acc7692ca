// How fast a memory of cart-pole sizes takes rows in and hands batches out: rows of one step and the
// state after it, 100,000 kept, batches of 64. Items are rows.
//
// Arguments: whether rows are drawn by priority, and (inserts) rows added at a time.

#include <benchmark/benchmark.h>

#include <cmath>

#include "rl/replay_buffer.h"
#include "rl/torch.h"

namespace {

constexpr int64_t kCapacity = 100'000, kBatch = 64;

rl::Trajectory make_rows(int64_t rows) {
  return {.observation = torch::randn({rows, 2, 4}),
          .start = {},
          .action = torch::randint(2, {rows, 2}, torch::kInt64),
          .actions = {{}, torch::full({rows, 2, 2}, std::log(0.5)), {}, {}, nullptr},
          .behavior_log_prob = torch::zeros({rows, 2}),
          .reward = torch::ones({rows, 2}),
          .discount = torch::ones({rows, 2}),
          .mask = torch::tensor({true, false}).repeat({rows, 1}),
          .state_mask = torch::ones({rows, 2}, torch::kBool),
          .episode = torch::arange(rows),
          .own = torch::ones({rows}, torch::kBool),
          .notes = {}};
}

rl::ReplayBuffer make_memory(const benchmark::State& state) {
  rl::ReplayOptions options{.capacity = kCapacity};
  if (state.range(0) != 0) options.priorities = rl::PriorityOptions{};
  rl::ReplayBuffer memory(options, 1);
  memory.add(make_rows(kCapacity));
  return memory;
}

void ReplayInsert(benchmark::State& state) {
  rl::ReplayBuffer memory = make_memory(state);
  const rl::Trajectory rows = make_rows(state.range(1));
  for (auto _ : state) memory.add(rows);
  state.SetItemsProcessed(state.iterations() * rows.size());
}

void ReplaySample(benchmark::State& state) {
  rl::ReplayBuffer memory = make_memory(state);
  for (auto _ : state) benchmark::DoNotOptimize(memory.sample(kBatch));
  state.SetItemsProcessed(state.iterations() * kBatch);
}

void ReplayUpdatePriorities(benchmark::State& state) {
  rl::ReplayBuffer memory = make_memory(state);
  const rl::Trajectory batch = *memory.sample(kBatch);
  const torch::Tensor errors = torch::rand({kBatch});
  for (auto _ : state) memory.update(batch, errors);
  state.SetItemsProcessed(state.iterations() * kBatch);
}

BENCHMARK(ReplayInsert)
    ->ArgNames({"by_priority", "rows"})
    ->Args({0, 8})
    ->Args({1, 8})
    ->Args({0, 256})
    ->Args({1, 256});
BENCHMARK(ReplaySample)->ArgNames({"by_priority"})->Arg(0)->Arg(1);
BENCHMARK(ReplayUpdatePriorities)->ArgNames({"by_priority"})->Arg(1);

}  // namespace

BENCHMARK_MAIN();
