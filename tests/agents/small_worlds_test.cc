#include <gmock/gmock.h>

#include <memory>

#include "agents/actors/small_world_actors.h"
#include "agents/nets/mlp.h"
#include "envs/classic/cart_pole.h"
#include "envs/classic/chain.h"
#include "envs/grouped_starts.h"
#include "rl/losses/inverse_soft_q.h"
#include "rl/losses/policy_gradient.h"
#include "rl/losses/td.h"
#include "rl/torch.h"
#include "rl/train_loop.h"

namespace agents {
namespace {

using rl::Tensor;
using MakeWorld = std::function<std::unique_ptr<rl::Environment>(uint64_t seed, bool restarts)>;

constexpr int64_t kChainLength = 6;
constexpr double kSmallReward = 0.001;

std::unique_ptr<rl::Environment> cart_pole(uint64_t seed, bool restarts) {
  return std::make_unique<envs::CartPole>(
      envs::CartPoleOptions{.seed = seed, .restarts = restarts});
}

// The small reward tempts who does not look far enough ahead.
std::unique_ptr<rl::Environment> chain(uint64_t, bool restarts) {
  return std::make_unique<envs::Chain>(envs::ChainOptions{
      .length = kChainLength, .small_reward = kSmallReward, .restarts = restarts});
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

// @param falls_over updates in which the learning rate falls to 0; 0: it stays.
std::unique_ptr<rl::Learner> learner_of(const std::shared_ptr<MlpPolicy>& policy,
                                        std::unique_ptr<rl::Loss> loss, double learning_rate,
                                        double max_grad_norm, int64_t falls_over = 0) {
  rl::LearnerOptions options;
  options.learning_rate = [=](int64_t update) {
    const double done = static_cast<double>(update) / static_cast<double>(falls_over);
    return falls_over > 0 ? learning_rate * std::max(0.0, 1 - done) : learning_rate;
  };
  options.max_grad_norm = max_grad_norm;
  options.micro_batch_tokens = 100000;
  options.target_copy_every = 100;
  return std::make_unique<rl::Learner>(policy, objective(std::move(loss)), options);
}

bool go_on(const rl::Progress&, const rl::Metrics&) { return true; }

// From pieces of 64 steps in 16 worlds.
Greedy learn_by_pieces(const MakeWorld& make, const rl::PolicyGradientOptions& loss, int64_t epochs,
                       int64_t updates, uint64_t seed) {
  auto world = make(seed, /*restarts=*/true);
  const auto policy = make_policy(*world, true, seed);
  auto actor = std::make_unique<MlpActor>(policy, SamplingOptions(), seed, "student");
  rl::Agent agent{std::make_unique<rl::Segments>(std::move(world), std::move(actor), /*steps=*/64),
                  rl::ReplayBuffer({.capacity = 0, .epochs = epochs}, seed),
                  {}};
  agent.learners.push_back(
      learner_of(policy, std::make_unique<rl::PolicyGradient>(loss), 1e-3, 0.5, updates));
  rl::Progress progress;
  rl::train(agent, {.steps = updates, .batch_size = 8, .episodes_per_collect = 16}, progress,
            go_on);
  return play_greedily(make, policy);
}

// From whole episodes of groups that begin alike.
Greedy learn_by_episodes(const MakeWorld& make, rl::PolicyGradientOptions loss, int64_t updates,
                         uint64_t seed) {
  const auto policy = make_policy(*make(seed, false), false, seed);
  const auto stage = [&] {
    return rl::Rollout::Stage{
        std::make_unique<envs::GroupedStarts>(make(seed, false), loss.group_size),
        std::make_unique<MlpActor>(policy, SamplingOptions(), seed, "student")};
  };
  rl::Agent agent{
      std::make_unique<rl::Rollout>(stage, rl::Threads{}, true), rl::ReplayBuffer({}, seed), {}};
  agent.learners.push_back(
      learner_of(policy, std::make_unique<rl::PolicyGradient>(loss), 3e-3, 0.5));
  rl::Progress progress;
  rl::train(agent, {.steps = updates, .batch_size = 16}, progress, go_on);
  return play_greedily(make, policy);
}

struct TdLearning {
  rl::TdOptions td = {.double_q = true};
  rl::ReplayOptions memory = {.capacity = 8000};
  bool dueling = false;
};

Greedy learn_by_td(const MakeWorld& make, int64_t updates, double gamma, uint64_t seed,
                   TdLearning how = {}) {
  auto world = make(seed, /*restarts=*/true);
  const auto policy =
      std::make_shared<MlpPolicy>(MlpOptions{.inputs = world->spec().observation.shape.back(),
                                             .actions = world->spec().action_count,
                                             .hidden = {64, 64},
                                             .seed = seed,
                                             .dueling = how.dueling});
  rl::Progress progress;
  auto actor = std::make_unique<EpsilonGreedy>(
      policy, [](double share) { return std::max(0.04, 1 - share / 0.3); }, seed);
  how.td.gamma = how.memory.gamma = gamma;
  rl::Agent agent{std::make_unique<rl::Segments>(std::move(world), std::move(actor), 4),
                  rl::ReplayBuffer(how.memory, seed),
                  {}};
  agent.learners.push_back(learner_of(policy, std::make_unique<rl::Td>(how.td), 1e-3, 10));
  rl::train(
      agent,
      {.steps = updates, .batch_size = 64, .episodes_per_collect = 8, .updates_per_collect = 1},
      progress, go_on);
  return play_greedily(make, policy);
}

// Does the same everywhere.
struct Steadfast : rl::Actor {
  explicit Steadfast(int64_t does) : action(does) {}
  void begin(const rl::TimeStep&) override {}
  rl::Choice act(const rl::TimeStep& now) override {
    return {torch::full_like(now.episode, action), torch::zeros({now.size()})};
  }
  void keep(const Tensor&) override {}
  int64_t action;
};

// From somebody who always does `action`, and from the policy's own episodes; rewards are not looked at.
Greedy learn_by_imitation(int64_t action, std::unique_ptr<rl::Loss> loss, int64_t updates,
                          uint64_t seed) {
  const auto policy = make_policy(*chain(seed, false), false, seed);
  const auto rollout = [&](bool own) {
    return std::make_unique<rl::Rollout>(
        [=] {
          rl::Rollout::Stage stage{chain(seed, false), nullptr};
          if (own) {
            stage.actor = std::make_unique<MlpActor>(policy, SamplingOptions(), seed, "student");
          } else {
            stage.actor = std::make_unique<Steadfast>(action);
          }
          return stage;
        },
        rl::Threads{}, own);
  };
  auto source = std::make_unique<rl::Mix>(
      rollout(false), rollout(true), [](double) { return 0.3; }, /*per_row=*/true, seed);
  rl::Agent agent{std::move(source), rl::ReplayBuffer({.capacity = 500}, seed), {}};
  agent.learners.push_back(learner_of(policy, std::move(loss), 3e-3, 10));
  rl::Progress progress;
  rl::train(agent, {.steps = updates, .batch_size = 32, .updates_per_collect = 4}, progress, go_on);
  return play_greedily(chain, policy);
}

// The pole stands for 9 steps under a constant action and about 20 under random ones.
TEST(Ppo, LearnsToBalanceThePole) {
  EXPECT_GE(learn_by_pieces(cart_pole, {.gamma = 0.99}, 4, 600, 1).mean_return, 400);
}

TEST(Grpo, LearnsToKeepThePoleUpLonger) {
  const rl::PolicyGradientOptions grpo{
      .gamma = 1, .baseline = rl::Baseline::group, .group_size = 8};
  EXPECT_GE(learn_by_episodes(cart_pole, grpo, 100, 1).mean_return, 80);
}

TEST(Td, LearnsToKeepThePoleUpLonger) {
  EXPECT_GE(learn_by_td(cart_pole, 3000, 0.99, 1).mean_return, 80);
}

// The best behaviour is known: straight to the end.
constexpr double kStraight = kChainLength - 1;
constexpr auto kUnscaled = rl::ops::Normalization::none;

TEST(Ppo, FindsTheEndOfTheChain) {
  EXPECT_EQ(learn_by_pieces(chain, {.gamma = 0.9}, 4, 200, 1).mean_steps, kStraight);
  EXPECT_EQ(learn_by_pieces(chain, {.gamma = 0.9, .max_kl = 0.02}, 10, 200, 1).mean_steps,
            kStraight);
}

TEST(A2c, FindsTheEndOfTheChain) {
  const rl::PolicyGradientOptions fresh{
      .gamma = 0.9, .clip = std::nullopt, .normalization = kUnscaled};
  EXPECT_EQ(learn_by_pieces(chain, fresh, 1, 200, 1).mean_steps, kStraight);
  rl::PolicyGradientOptions stale = fresh;
  stale.importance_clip = 1;
  EXPECT_EQ(learn_by_pieces(chain, stale, 4, 200, 1).mean_steps, kStraight);
}

TEST(EpisodeGradients, FindTheEndOfTheChain) {
  const rl::PolicyGradientOptions reinforce{
      .gamma = 0.9, .clip = std::nullopt, .baseline = rl::Baseline::batch};
  const rl::PolicyGradientOptions grpo{
      .gamma = 0.9, .baseline = rl::Baseline::group, .group_size = 8};
  const rl::PolicyGradientOptions rloo{.gamma = 0.9,
                                       .clip = std::nullopt,
                                       .normalization = kUnscaled,
                                       .baseline = rl::Baseline::leave_one_out,
                                       .group_size = 4};
  for (const rl::PolicyGradientOptions& options : {reinforce, grpo, rloo}) {
    EXPECT_EQ(learn_by_episodes(chain, options, 150, 1).mean_steps, kStraight);
  }
}

TEST(Td, FindsTheEndOfTheChain) {
  const std::vector<TdLearning> ways = {
      {},
      {.td = {.double_q = true, .n_steps = 3}, .dueling = true},
      {.td = {.lambda = 0.8}},
      {.td = {.epsilon = 0.05}},
      {.memory = {.capacity = 8000, .n_step = 3}},
      {.memory =
           {.capacity = 8000, .warm_up = 200, .n_step = 1, .priorities = rl::PriorityOptions{}}},
  };
  for (const TdLearning& how : ways) {
    EXPECT_EQ(learn_by_td(chain, 800, 0.9, 1, how).mean_steps, kStraight);
  }
}

// To the left, where the episode goes on: ending is worth nothing to who is paid for being alike.
TEST(Sqil, ImitatesWhoStaysAtTheStartOfTheChain) {
  auto loss = std::make_unique<rl::Td>(
      rl::TdOptions{.gamma = 0.9, .entropy = 0.1, .sqil = rl::SqilOptions{}});
  EXPECT_NEAR(learn_by_imitation(0, std::move(loss), 400, 1).mean_return, 100 * kSmallReward, 1e-6);
}

TEST(IqLearn, ImitatesWhoGoesToTheEndOfTheChain) {
  auto loss =
      std::make_unique<rl::InverseSoftQ>(rl::InverseSoftQOptions{.gamma = 0.9,
                                                                 .td = {.alpha = 0.5},
                                                                 .gauge = rl::ops::Gauge::raw,
                                                                 .q_min = std::nullopt,
                                                                 .own_steps = true,
                                                                 .chi2_on_own = true});
  EXPECT_EQ(learn_by_imitation(1, std::move(loss), 400, 1).mean_steps, kStraight);
}

}  // namespace
}  // namespace agents
