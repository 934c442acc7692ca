#include "envs/classic/bandit.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "rl/torch.h"

namespace envs {
namespace {

TEST(Bandit, PaysWhatTheArmIsWorth) {
  Bandit world({.mean_rewards = {.5, -2}});
  EXPECT_EQ(world.spec().action_count, 2);
  world.reset(torch::arange(2));
  const rl::TimeStep now = world.step(torch::tensor({0, 1}));
  EXPECT_TRUE(now.reward.equal(torch::tensor({.5F, -2.F})));
  EXPECT_TRUE(now.last.all().item<bool>());
  EXPECT_TRUE(now.discount.eq(0).all().item<bool>());
}

// Over 4,000 pulls the mean is within 4 standard errors.
TEST(Bandit, AddsNormalNoise) {
  const int64_t pulls = 4000;
  Bandit world({.mean_rewards = {1, 3}, .noise = 2});
  world.reset(torch::arange(pulls));
  const rl::Tensor paid = world.step(torch::ones({pulls}, torch::kInt64)).reward;
  EXPECT_NEAR(paid.mean().item<double>(), 3, 4 * 2 / std::sqrt(4000.));
  EXPECT_NEAR(paid.std().item<double>(), 2, .1);
  EXPECT_NEAR((paid - 3).abs().lt(2).to(torch::kFloat32).mean().item<double>(), .683, .03);
}

TEST(Bandit, RefusesWhatCannotBePaid) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(Bandit({.mean_rewards = {}}), std::invalid_argument);
  EXPECT_THROW(Bandit({.mean_rewards = {1, nan}}), std::invalid_argument);
  EXPECT_THROW(Bandit({.mean_rewards = {1}, .noise = -1}), std::invalid_argument);
  EXPECT_THROW(Bandit({.mean_rewards = {1}, .noise = nan}), std::invalid_argument);
}

}  // namespace
}  // namespace envs
