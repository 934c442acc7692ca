// How fast proximal policy optimisation learns in a small world: cart-pole, two perceptrons of 64 x 64 (policy and
// value), 128 steps of each world per collection, learned from 4 times in 4 batches.
//
// Arguments: worlds side by side, shards of the learner. Items are steps in the world, learning included.

#include <benchmark/benchmark.h>

#include "agents/actors/small_world_actors.h"
#include "distill/device.h"
#include "envs/classic/cart_pole.h"
#include "rl/losses/policy_gradient.h"
#include "rl/torch.h"
#include "rl/train_loop.h"

namespace {

constexpr int64_t kSteps = 128, kEpochs = 4, kBatches = 4;

rl::Agent make_agent(int shards) {
  const auto policy = std::make_shared<agents::MlpPolicy>(
      agents::MlpOptions{.inputs = 4, .actions = 2, .hidden = {64, 64}, .value_head = true});
  auto source = std::make_unique<rl::Segments>(
      std::make_unique<envs::CartPole>(envs::CartPoleOptions{.restarts = true}),
      std::make_unique<agents::MlpActor>(policy, agents::SamplingOptions{}, 1, "student"), kSteps);
  rl::LearnerOptions options;
  options.learning_rate = [](int64_t) { return 3e-4; };
  options.max_grad_norm = 0.5;
  options.threads = {shards, 1};
  std::vector<rl::Objective> objectives;
  objectives.push_back({"ppo",
                        1.0,
                        std::make_unique<rl::PolicyGradient>(rl::PolicyGradientOptions{
                            .clip = 0.2, .normalization = rl::ops::Normalization::sample}),
                        {}});
  rl::Agent agent{std::move(source), rl::ReplayBuffer({.capacity = 0, .epochs = kEpochs}, 1), {}};
  agent.learners.push_back(
      std::make_unique<rl::Learner>(policy, std::move(objectives), std::move(options)));
  return agent;
}

void PpoSteps(benchmark::State& state) {
  const int64_t worlds = state.range(0);
  rl::Agent agent = make_agent(static_cast<int>(state.range(1)));
  rl::Progress progress;
  int64_t collections = 0;
  for (auto _ : state) {
    ++collections;
    rl::train(agent,
              {.steps = collections * kEpochs * kBatches,
               .batch_size = worlds / kBatches,
               .episodes_per_collect = worlds},
              progress, [](const rl::Progress&, const rl::Metrics&) { return true; });
  }
  state.SetItemsProcessed(state.iterations() * worlds * kSteps);
}

BENCHMARK(PpoSteps)
    ->ArgNames({"worlds", "shards"})
    ->ArgsProduct({{32}, {1, 2}})
    ->Unit(benchmark::kMillisecond)
    ->MinTime(3.0)
    ->UseRealTime();

}  // namespace

int main(int argc, char** argv) {
  distill::set_up_process();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
