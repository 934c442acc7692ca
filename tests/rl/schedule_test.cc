#include "rl/schedule.h"

#include <gmock/gmock.h>

#include <cmath>
#include <stdexcept>

namespace rl {
namespace {

TEST(LearningRateSchedule, RisesOverTheWarmUpAndStaysWhenConstant) {
  const LearningRateSchedule rate(Decay::constant, 3, 0);
  EXPECT_DOUBLE_EQ(rate(0), .25);
  EXPECT_DOUBLE_EQ(rate(1), .5);
  EXPECT_DOUBLE_EQ(rate(2), .75);
  EXPECT_DOUBLE_EQ(rate(3), 1);
  EXPECT_DOUBLE_EQ(rate(1'000'000), 1);
}

TEST(LearningRateSchedule, WithoutWarmUpBeginsAtOne) {
  EXPECT_DOUBLE_EQ(LearningRateSchedule(Decay::cosine, 0, 10)(0), 1);
}

TEST(LearningRateSchedule, FallsInAStraightLineToTheMinimum) {
  const LearningRateSchedule rate(Decay::linear, 2, 12, .1);
  EXPECT_DOUBLE_EQ(rate(2), 1);
  EXPECT_DOUBLE_EQ(rate(7), .55);
  EXPECT_DOUBLE_EQ(rate(12), .1);
  EXPECT_DOUBLE_EQ(rate(13), .1);
}

TEST(LearningRateSchedule, FallsAlongACosine) {
  const LearningRateSchedule rate(Decay::cosine, 0, 4);
  EXPECT_NEAR(rate(1), (1 + std::sqrt(.5)) / 2, 1e-12);
  EXPECT_NEAR(rate(2), .5, 1e-12);
  EXPECT_NEAR(rate(4), 0, 1e-12);
}

TEST(LearningRateSchedule, RefusesAWarmUpThatNeverEnds) {
  EXPECT_THROW(LearningRateSchedule(Decay::cosine, 10, 10), std::invalid_argument);
  EXPECT_THROW(LearningRateSchedule(Decay::constant, -1, 10), std::invalid_argument);
  EXPECT_THROW(LearningRateSchedule(Decay::linear, 0, 10, 1.5), std::invalid_argument);
}

TEST(PiecewiseLinear, IsConstantWithOnePoint) {
  const PiecewiseLinear constant(.3);
  EXPECT_DOUBLE_EQ(constant(0), .3);
  EXPECT_DOUBLE_EQ(constant(1), .3);
}

TEST(PiecewiseLinear, InterpolatesAndIsConstantOutside) {
  const PiecewiseLinear schedule({{.2, 1}, {.4, 3}, {.8, 0}});
  EXPECT_DOUBLE_EQ(schedule(0), 1);
  EXPECT_DOUBLE_EQ(schedule(.3), 2);
  EXPECT_DOUBLE_EQ(schedule(.4), 3);
  EXPECT_DOUBLE_EQ(schedule(.6), 1.5);
  EXPECT_DOUBLE_EQ(schedule(1), 0);
  EXPECT_DOUBLE_EQ(schedule.minimum(), 0);
  EXPECT_DOUBLE_EQ(schedule.maximum(), 3);
}

TEST(PiecewiseLinear, JumpsWhereTwoPointsShareAPlace) {
  const PiecewiseLinear schedule({{.5, 0}, {.5, 1}});
  EXPECT_DOUBLE_EQ(schedule(.49), 0);
  EXPECT_DOUBLE_EQ(schedule(.5), 1);
}

TEST(PiecewiseLinear, RefusesPointsOutOfOrderOrRange) {
  using Points = std::vector<PiecewiseLinear::Point>;
  EXPECT_THROW(PiecewiseLinear(Points{}), std::invalid_argument);
  EXPECT_THROW(PiecewiseLinear(Points{{.5, 0}, {.4, 1}}), std::invalid_argument);
  EXPECT_THROW(PiecewiseLinear(Points{{0, 0}, {1.1, 1}}), std::invalid_argument);
  EXPECT_THROW(PiecewiseLinear(Points{{0, std::nan("")}}), std::invalid_argument);
}

}  // namespace
}  // namespace rl
