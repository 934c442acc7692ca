#include <gmock/gmock.h>

#include <memory>

#include "agents/actors/small_world_actors.h"
#include "agents/nets/mlp.h"
#include "envs/classic/cart_pole.h"
#include "envs/classic/chain.h"
#include "rl/losses/ppo.h"
#include "rl/losses/td.h"
#include "rl/torch.h"
#include "rl/train_loop.h"

namespace agents {
namespace {

using rl::Tensor;
using MakeWorld = std::function<std::unique_ptr<rl::Environment>(uint64_t seed, bool restarts)>;

constexpr int64_t kChainLength = 6;

std::unique_ptr<rl::Environment> cart_pole(uint64_t seed, bool restarts) {
  return std::make_unique<envs::CartPole>(
      envs::CartPoleOptions{.seed = seed, .restarts = restarts});
}

// The small reward tempts who does not look far enough ahead.
std::unique_ptr<rl::Environment> chain(uint64_t, bool restarts) {
  return std::make_unique<envs::Chain>(
      envs::ChainOptions{.length = kChainLength, .small_reward = 0.001, .restarts = restarts});
}

std::shared_ptr<MlpPolicy> make_policy(const rl::Environment& world, bool value_head,
                                       uint64_t seed) {
  return std::make_shared<MlpPolicy>(MlpOptions{.inputs = world.spec().observation.shape.back(),
                                                .actions = world.spec().action_count,
                                                .hidden = {64, 64},
                                                .value_head = value_head,
                                                .seed = seed});
}

struct Greedy {
  double mean_return, mean_steps;
};

// Whole episodes played greedily.
Greedy play_greedily(const MakeWorld& make, const std::shared_ptr<MlpPolicy>& policy) {
  const auto world = make(1000, /*restarts=*/false);
  MlpActor actor(policy, {.temperature = 0}, 1, "evaluation");
  const rl::Trajectory t = rl::play(*world, actor, torch::arange(20), false);
  return {(t.reward * t.mask).sum(1).mean().item<double>(),
          t.step_counts().to(torch::kFloat64).mean().item<double>()};
}

std::vector<rl::Objective> objective(std::unique_ptr<rl::Loss> loss) {
  std::vector<rl::Objective> objectives;
  objectives.push_back({"rl", 1.0, std::move(loss), {}});
  return objectives;
}

Greedy learn_by_ppo(const MakeWorld& make, int64_t updates, double gamma, uint64_t seed) {
  auto world = make(seed, /*restarts=*/true);
  const auto policy = make_policy(*world, true, seed);
  auto actor = std::make_unique<MlpActor>(policy, SamplingOptions(), seed, "student");
  rl::LearnerOptions options;
  options.learning_rate = [](int64_t) { return 1e-3; };
  options.max_grad_norm = 0.5;
  options.micro_batch_tokens = 100000;
  rl::Agent agent{std::make_unique<rl::Segments>(std::move(world), std::move(actor), /*steps=*/64),
                  rl::ReplayBuffer({.capacity = 0, .epochs = 4}, seed),
                  {}};
  agent.learners.push_back(std::make_unique<rl::Learner>(
      policy, objective(std::make_unique<rl::Ppo>(rl::PpoOptions{.gamma = gamma})), options));
  rl::Progress progress;
  rl::train(agent, {.steps = updates, .batch_size = 8, .episodes_per_collect = 16}, progress,
            [](const rl::Progress&, const rl::Metrics&) { return true; });
  return play_greedily(make, policy);
}

Greedy learn_by_td(const MakeWorld& make, int64_t updates, double gamma, uint64_t seed) {
  auto world = make(seed, /*restarts=*/true);
  const auto policy = make_policy(*world, false, seed);
  rl::Progress progress;
  auto actor = std::make_unique<EpsilonGreedy>(
      policy, [](double share) { return std::max(0.04, 1 - share / 0.3); }, seed);
  rl::LearnerOptions options;
  options.learning_rate = [](int64_t) { return 1e-3; };
  options.max_grad_norm = 10;
  options.micro_batch_tokens = 100000;
  options.target_copy_every = 100;
  rl::Agent agent{std::make_unique<rl::Segments>(std::move(world), std::move(actor), 4),
                  rl::ReplayBuffer({.capacity = 8000, .epochs = 1}, seed),
                  {}};
  agent.learners.push_back(std::make_unique<rl::Learner>(
      policy, objective(std::make_unique<rl::Td>(rl::TdOptions{.gamma = gamma, .double_q = true})),
      options));
  rl::train(
      agent,
      {.steps = updates, .batch_size = 64, .episodes_per_collect = 8, .updates_per_collect = 1},
      progress, [](const rl::Progress&, const rl::Metrics&) { return true; });
  return play_greedily(make, policy);
}

// The pole stands for 9 steps under a constant action and about 20 under random ones.
TEST(Ppo, LearnsToBalanceThePole) {
  EXPECT_GE(learn_by_ppo(cart_pole, 400, 0.99, 1).mean_return, 400);
}

TEST(Td, LearnsToKeepThePoleUpLonger) {
  EXPECT_GE(learn_by_td(cart_pole, 3000, 0.99, 1).mean_return, 80);
}

// The best behaviour is known: straight to the end.
TEST(Ppo, FindsTheEndOfTheChain) {
  EXPECT_EQ(learn_by_ppo(chain, 200, 0.9, 1).mean_steps, kChainLength - 1);
}

TEST(Td, FindsTheEndOfTheChain) {
  EXPECT_EQ(learn_by_td(chain, 800, 0.9, 1).mean_steps, kChainLength - 1);
}

}  // namespace
}  // namespace agents
