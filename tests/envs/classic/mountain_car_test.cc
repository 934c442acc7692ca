#include "envs/classic/mountain_car.h"

#include <gmock/gmock.h>

#include "rl/torch.h"

namespace envs {
namespace {

void expect_state(const MountainCarState& found, const MountainCarState& expected) {
  EXPECT_NEAR(found.position, expected.position, 1e-15);
  EXPECT_NEAR(found.velocity, expected.velocity, 1e-15);
}

// Worked out apart from this code with the equations of Gymnasium's MountainCar-v0.
TEST(MountainCarPhysics, MatchesNumbersWorkedOutElsewhere) {
  const MountainCarState state{-.5, .01};
  expect_state(advance_mountain_car(state, 0), {-0.49117684300416925, 0.008823156995830743});
  expect_state(advance_mountain_car(state, 1), {-0.49017684300416925, 0.009823156995830744});
  expect_state(advance_mountain_car(state, 2), {-0.48917684300416925, 0.010823156995830743});
}

TEST(MountainCarPhysics, MatchesASequenceWorkedOutElsewhere) {
  MountainCarState state{-.55, 0};
  for (const int64_t action : {2, 2, 0, 1, 0}) state = advance_mountain_car(state, action);
  expect_state(state, {-0.5422774767082629, 0.0008634577225580882});
}

TEST(MountainCarPhysics, StopsAtTheWallAndIsNeverTooFast) {
  expect_state(advance_mountain_car({-1.19, -.05}, 0), {-1.2, 0});
  EXPECT_EQ(advance_mountain_car({-.5, .0699}, 2).velocity, .07);
  EXPECT_EQ(advance_mountain_car({.2, -.0699}, 0).velocity, -.07);
}

TEST(MountainCarPhysics, ArrivesAtTheFlag) {
  EXPECT_TRUE(has_arrived({.5, 0}));
  EXPECT_FALSE(has_arrived({.49, .07}));
  EXPECT_FALSE(has_arrived({.55, -.01}));
}

TEST(MountainCar, BeginsAtRestInTheValley) {
  MountainCar world({});
  const rl::Tensor seen = world.reset(torch::arange(500)).observation;
  EXPECT_TRUE(seen.select(1, 1).eq(0).all().item<bool>());
  EXPECT_GE(seen.select(1, 0).min().item<float>(), -.6F);
  EXPECT_LT(seen.select(1, 0).max().item<float>(), -.4F);
  EXPECT_NEAR(seen.select(1, 0).mean().item<float>(), -.5F, .01F);
}

// Pushing where the car already goes swings it out; pushing to the right alone does not.
TEST(MountainCar, IsSolvedByPushingAlong) {
  for (const bool along : {true, false}) {
    MountainCar world({});
    rl::TimeStep now = world.reset(torch::arange(1));
    double paid = 0;
    while (!now.last.item<bool>()) {
      const bool right = !along || now.observation[0][1].item<float>() >= 0;
      now = world.step(torch::tensor({right ? 2 : 0}));
      paid += now.reward.item<float>();
    }
    EXPECT_EQ(now.discount.item<float>(), along ? 0 : 1);
    EXPECT_EQ(paid, -now.step.item<double>());
    if (along) {
      EXPECT_LT(now.step.item<int64_t>(), 170);
    } else {
      EXPECT_EQ(now.step.item<int64_t>(), 200);
    }
  }
}

}  // namespace
}  // namespace envs
