#include "envs/classic/acrobot.h"

#include <gmock/gmock.h>

#include <cmath>
#include <numbers>

#include "rl/torch.h"

namespace envs {
namespace {

// The equations are the same, the order of sums is not.
void expect_state(const AcrobotState& found, const AcrobotState& expected) {
  EXPECT_NEAR(found.angle1, expected.angle1, 1e-13);
  EXPECT_NEAR(found.angle2, expected.angle2, 1e-13);
  EXPECT_NEAR(found.spin1, expected.spin1, 1e-13);
  EXPECT_NEAR(found.spin2, expected.spin2, 1e-13);
}

// Worked out apart from this code with the equations of Gymnasium's Acrobot-v1.
TEST(AcrobotPhysics, MatchesNumbersWorkedOutElsewhere) {
  const AcrobotState state{.1, -.2, .3, -.4};
  expect_state(advance_acrobot(state, 0), {0.1544280535176176, -0.2796784625217692,
                                           0.23102745634235644, -0.37533176739803126});
  expect_state(advance_acrobot(state, 1), {0.14133727125464293, -0.24579623350293564,
                                           0.10409525473601286, -0.044953761560451166});
  expect_state(advance_acrobot(state, 2), {0.1282116312891261, -0.211840321026976,
                                           -0.023484731535001357, 0.28679521459777013});
}

TEST(AcrobotPhysics, MatchesASequenceWorkedOutElsewhere) {
  AcrobotState state{.05, -.03, .02, .01};
  for (const int64_t action : {2, 2, 0, 0, 1, 2}) state = advance_acrobot(state, action);
  expect_state(state, {0.018224753541147495, -0.03490206061627331, 0.07852172376826774,
                       -0.30366900709298056});
}

TEST(AcrobotPhysics, WrapsItsAngles) {
  expect_state(advance_acrobot({3.1, -3, 2, -3}, 2),
               {-2.7771899155804713, 2.6910798896514003, 2.156679699782404, -2.993183253763761});
}

TEST(AcrobotPhysics, IsNeverTooFast) {
  const AcrobotState state = advance_acrobot({1.5, 0, 30, 60}, 2);
  EXPECT_LE(std::abs(state.spin1), 4 * std::numbers::pi);
  EXPECT_LE(std::abs(state.spin2), 9 * std::numbers::pi);
}

TEST(AcrobotPhysics, IsHighOneLinkAboveTheJoint) {
  EXPECT_FALSE(is_high({0, 0, 0, 0}));
  EXPECT_TRUE(is_high({std::numbers::pi, 0, 0, 0}));
  // Both links at 120 degrees end exactly one link's length above.
  const double angle = 2 * std::numbers::pi / 3;
  EXPECT_FALSE(is_high({angle - .001, 0, 0, 0}));
  EXPECT_TRUE(is_high({angle + .001, 0, 0, 0}));
}

TEST(Acrobot, BeginsNearlyHanging) {
  Acrobot world({});
  const rl::Tensor seen = world.reset(torch::arange(500)).observation;
  EXPECT_LT(seen.narrow(1, 4, 2).abs().max().item<float>(), .1F);
  EXPECT_GT(seen.narrow(1, 4, 2).abs().max().item<float>(), .099F);
  EXPECT_GT(seen.select(1, 0).min().item<float>(), std::cos(.1F) - 1e-6F);
  const rl::Tensor one = seen.select(1, 2).square() + seen.select(1, 3).square();
  EXPECT_TRUE(one.allclose(torch::ones({500})));
}

// Torque along the second link's motion swings it up; none never does.
TEST(Acrobot, PaysMinusOneUntilItIsHigh) {
  for (const bool along : {true, false}) {
    Acrobot world({});
    rl::TimeStep now = world.reset(torch::arange(1));
    double paid = 0;
    while (!now.last.item<bool>()) {
      const bool forward = now.observation[0][5].item<float>() >= 0;
      now = world.step(torch::tensor({!along ? 1 : forward ? 2 : 0}));
      paid += now.reward.item<float>();
    }
    EXPECT_EQ(now.discount.item<float>(), along ? 0 : 1);
    EXPECT_EQ(paid, (along ? 1 : 0) - now.step.item<double>());
    EXPECT_EQ(now.step.item<int64_t>() == 500, !along);
  }
}

}  // namespace
}  // namespace envs
