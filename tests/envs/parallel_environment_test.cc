#include "envs/parallel_environment.h"

#include <gmock/gmock.h>

#include "envs/classic/cart_pole.h"
#include "rl/checkpoint.h"
#include "rl/torch.h"

namespace envs {
namespace {

using rl::Tensor;
using rl::TimeStep;

constexpr int64_t kMany = 3000;  // more than one thread steps at a time

Tensor some_actions(const TimeStep& now) { return (now.episode + now.step).remainder(2); }

bool same(const Tensor& a, const Tensor& b) { return a.equal(b); }

TEST(ParallelEnvironment, GivesTheSameWithAnyNumberOfThreads) {
  CartPole one({.restarts = true}), two({.restarts = true, .threads = 2}),
      three({.restarts = true, .threads = 3});
  TimeStep now = one.reset(torch::arange(kMany));
  two.reset(torch::arange(kMany));
  three.reset(torch::arange(kMany));
  for (int step = 0; step < 40; ++step) {
    const Tensor actions = some_actions(now);
    now = one.step(actions);
    for (CartPole* other : {&two, &three}) {
      const TimeStep there = other->step(actions);
      EXPECT_TRUE(same(now.observation, there.observation));
      EXPECT_TRUE(same(now.last, there.last));
      EXPECT_TRUE(same(now.episode, there.episode));
    }
  }
}

TEST(ParallelEnvironment, LeavesWhatItHasShownAlone) {
  CartPole world({.restarts = true});
  const TimeStep first = world.reset(torch::arange(3));
  const Tensor seen = first.observation.clone();
  rl::State saved;
  world.save(saved);
  const TimeStep second = world.step(torch::zeros({3}, torch::kInt64));
  EXPECT_TRUE(same(first.observation, seen));
  EXPECT_TRUE(first.step.eq(0).all().item<bool>());
  world.step(torch::zeros({3}, torch::kInt64));
  EXPECT_TRUE(same(world.load(saved).observation, seen));
  EXPECT_TRUE(same(world.step(torch::zeros({3}, torch::kInt64)).observation, second.observation));
}

TEST(ParallelEnvironment, BeginsTheEpisodeAfterAllOthersWhereARowIsOver) {
  CartPole world({.max_episode_steps = 2, .restarts = true});
  world.reset(torch::arange(10, 13));
  for (int step = 0; step < 2; ++step) world.step(torch::ones({3}, torch::kInt64));
  const TimeStep now = world.step(torch::ones({3}, torch::kInt64));
  EXPECT_TRUE(same(now.episode, torch::arange(13, 16)));
  EXPECT_TRUE(same(now.observation, CartPole({}).reset(torch::arange(13, 16)).observation));
}

TEST(ParallelEnvironment, ChangesNothingWhereAnActionIsWrong) {
  CartPole world({}), other({});
  world.reset(torch::arange(2));
  other.reset(torch::arange(2));
  EXPECT_THROW(world.step(torch::tensor({1, 2})), std::invalid_argument);
  const Tensor actions = torch::tensor({1, 0});
  EXPECT_TRUE(same(world.step(actions).observation, other.step(actions).observation));
}

TEST(ParallelEnvironment, RefusesToSaveWhatHasNotBegun) {
  rl::State state;
  EXPECT_THROW(CartPole({}).save(state), std::logic_error);
}

TEST(ParallelEnvironment, RefusesToLoadAnotherWorld) {
  rl::State state;
  state.put("states", torch::zeros({2, 3}, torch::kFloat64));
  EXPECT_THROW(CartPole({}).load(state), std::invalid_argument);
}

TEST(ParallelEnvironment, RefusesNoThreads) {
  EXPECT_THROW(CartPole({.threads = 0}), std::invalid_argument);
}

TEST(ParallelEnvironment, RefusesToKeepRowsThatAreNotThere) {
  CartPole world({});
  world.reset(torch::arange(2));
  EXPECT_THROW(world.keep(torch::tensor({0, 2})), std::invalid_argument);
  EXPECT_THROW(world.keep(torch::tensor({-1})), std::invalid_argument);
}

}  // namespace
}  // namespace envs
