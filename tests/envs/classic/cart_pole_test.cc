#include "envs/classic/cart_pole.h"

#include <gmock/gmock.h>

#include <numbers>

#include "rl/torch.h"

namespace envs {
namespace {

using rl::Tensor;

void expect_state(const CartPoleState& found, const CartPoleState& expected) {
  EXPECT_NEAR(found.position, expected.position, 1e-15);
  EXPECT_NEAR(found.velocity, expected.velocity, 1e-15);
  EXPECT_NEAR(found.angle, expected.angle, 1e-15);
  EXPECT_NEAR(found.angular_velocity, expected.angular_velocity, 1e-15);
}

// Worked out apart from this code with the equations of Gymnasium's CartPole-v1.
TEST(CartPolePhysics, MatchesNumbersWorkedOutElsewhere) {
  const CartPoleState state{.01, -.02, .03, .04};
  expect_state(advance_cart_pole(state, 1), {.0096, .17467919574755525, .0308, -.2430687179600081});
  expect_state(advance_cart_pole(state, 0),
               {.0096, -.21553901710278936, .0308, .34199522377603914});
}

TEST(CartPolePhysics, MatchesASequenceWorkedOutElsewhere) {
  CartPoleState state{.03, -.02, .04, -.01};
  for (const int64_t action : {1, 1, 0, 1}) state = advance_cart_pole(state, action);
  expect_state(state,
               {.043941229567259855, .3682687694131332, .017281252405743727, -.5519363851267406});
}

TEST(CartPolePhysics, FallsBeyondTwelveDegreesOrTheTrack) {
  const double degree = std::numbers::pi / 180;
  EXPECT_FALSE(has_fallen({0, 9, 11.99 * degree, 9}));
  EXPECT_TRUE(has_fallen({0, 0, 12.01 * degree, 0}));
  EXPECT_TRUE(has_fallen({0, 0, -12.01 * degree, 0}));
  EXPECT_FALSE(has_fallen({2.4, 0, 0, 0}));
  EXPECT_TRUE(has_fallen({2.41, 0, 0, 0}));
  EXPECT_TRUE(has_fallen({-2.41, 0, 0, 0}));
}

TEST(CartPole, BeginsNearTheMiddle) {
  CartPole world({});
  const Tensor seen = world.reset(torch::arange(500)).observation;
  EXPECT_LT(seen.abs().max().item<float>(), .05F);
  EXPECT_GT(seen.abs().max().item<float>(), .049F);
  EXPECT_LT(seen.mean(0).abs().max().item<float>(), .005F);
}

TEST(CartPole, BeginsDifferentlyWithAnotherSeedOrEpisode) {
  CartPole world({.seed = 1}), other({.seed = 2});
  const Tensor episodes = torch::arange(2);
  const Tensor seen = world.reset(episodes).observation;
  EXPECT_FALSE(seen[0].equal(seen[1]));
  EXPECT_FALSE(seen.equal(other.reset(episodes).observation));
}

TEST(CartPole, PaysOneForEveryStepUntilThePoleHasFallen) {
  CartPole world({});
  rl::TimeStep now = world.reset(torch::arange(1));
  double paid = 0;
  while (!now.last.item<bool>()) {
    now = world.step(torch::ones({1}, torch::kInt64));
    paid += now.reward.item<float>();
  }
  // Pushed to the right only, a pole that begins upright falls within 8 to 10 steps.
  EXPECT_GE(paid, 8);
  EXPECT_LE(paid, 10);
  EXPECT_EQ(now.step.item<int64_t>(), static_cast<int64_t>(paid));
  EXPECT_EQ(now.discount.item<float>(), 0);
}

TEST(CartPole, IsTruncatedAtTheStepLimitButNotEnded) {
  CartPole world({.max_episode_steps = 3});
  world.reset(torch::arange(1));
  rl::TimeStep now;
  for (const int64_t action : {1, 0, 1}) now = world.step(torch::tensor({action}));
  EXPECT_TRUE(now.last.item<bool>());
  EXPECT_EQ(now.discount.item<float>(), 1);
  EXPECT_EQ(now.reward.item<float>(), 1);
}

TEST(CartPole, RefusesALimitOfNoSteps) {
  EXPECT_THROW(CartPole({.max_episode_steps = 0}), std::invalid_argument);
}

}  // namespace
}  // namespace envs
