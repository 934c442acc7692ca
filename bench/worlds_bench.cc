// How fast small worlds are stepped: cart-poles that restart by themselves, under random actions.
//
// Arguments: worlds stepped side by side, threads. Items are steps; drawing the actions is part of
// the time, and one step in 23 begins a new episode.

#include <benchmark/benchmark.h>

#include "envs/classic/cart_pole.h"
#include "rl/torch.h"

namespace {

void CartPoleSteps(benchmark::State& state) {
  const int64_t worlds = state.range(0);
  envs::CartPole world({.restarts = true, .threads = static_cast<int>(state.range(1))});
  world.reset(torch::arange(worlds));
  at::set_num_threads(1);
  torch::manual_seed(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(world.step(torch::randint(2, {worlds}, torch::kInt64)));
  }
  state.SetItemsProcessed(state.iterations() * worlds);
}

BENCHMARK(CartPoleSteps)
    ->ArgNames({"worlds", "threads"})
    ->ArgsProduct({{1, 32, 1024, 4096, 16384}, {1, 2}})
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
