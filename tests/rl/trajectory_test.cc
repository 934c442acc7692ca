#include "rl/trajectory.h"

#include <gmock/gmock.h>

#include <cmath>

#include "rl/check.h"
#include "rl/torch.h"
#include "tests/toy/readout_policy.h"

namespace rl {
namespace {

using toy::make_batch;

// One row of five columns: three steps and the end, or, cut, the state that follows.
Trajectory three_steps(bool ended) {
  Trajectory t = make_batch(1, 5, 4, 1, false);
  t.mask = torch::tensor({{true, true, true, false, false}});
  t.state_mask = torch::tensor({{true, true, true, !ended, false}});
  t.discount = torch::tensor({{1.F, 1.F, ended ? 0.F : 1.F, 0.F, 0.F}});
  t.reward = torch::tensor({{1.F, 2.F, 4.F, 8.F, 8.F}});
  t.observation = torch::tensor({{10, 11, 12, 13, 14}});
  return t;
}

TEST(Transitions, OfOneStepAreTheStepsThemselves) {
  const Trajectory t = transitions(three_steps(true), 1, 0.5);
  EXPECT_TRUE(t.observation.equal(torch::tensor({{10, 11}, {11, 12}, {12, 13}})));
  EXPECT_TRUE(t.reward.equal(torch::tensor({{1.F, 0.F}, {2.F, 0.F}, {4.F, 0.F}})));
  EXPECT_TRUE(t.discount.equal(torch::tensor({{1.F, 0.F}, {1.F, 0.F}, {0.F, 0.F}})));
  EXPECT_TRUE(t.state_mask.equal(torch::tensor({{true, true}, {true, true}, {true, false}})));
  EXPECT_TRUE(t.mask.equal(torch::tensor({{true, false}, {true, false}, {true, false}})));
  t.validate();
}

TEST(Transitions, OfTwoStepsAddUpAndLookTwoStatesOn) {
  const Trajectory t = transitions(three_steps(false), 2, 0.5);
  EXPECT_TRUE(t.observation.equal(torch::tensor({{10, 12}, {11, 13}, {12, 13}})));
  EXPECT_TRUE(t.reward.select(1, 0).equal(torch::tensor({2.F, 4.F, 4.F})));
  // gamma^(m - 1), so that a loss that multiplies by gamma has gamma^m.
  EXPECT_TRUE(t.discount.select(1, 0).equal(torch::tensor({0.5F, 0.5F, 1.F})));
  EXPECT_TRUE(t.state_mask.all().item<bool>());
}

TEST(Transitions, EndWhereTheEpisodeDoes) {
  const Trajectory t = transitions(three_steps(true), 9, 0.5);
  EXPECT_TRUE(t.reward.select(1, 0).equal(torch::tensor({3.F, 4.F, 4.F})));
  EXPECT_FALSE(t.discount.any().item<bool>());
}

TEST(Transitions, RefusePrefixesAndRanges) {
  Trajectory text = three_steps(true);
  text.start = torch::zeros({1}, torch::kInt64);
  EXPECT_THROW(transitions(text, 1, 1), std::invalid_argument);
  EXPECT_THROW(transitions(three_steps(true), 0, 1), std::invalid_argument);
  EXPECT_THROW(transitions(three_steps(true), 1, 0), std::invalid_argument);
}

TEST(Trajectory, NamesTheStepOfARewardThatIsNotANumber) {
  Trajectory t = make_batch(3, 4, 5, 1, false);
  t.reward[2][3] = std::nan("");  // of no step that is learned
  t.validate();
  t.episode = torch::tensor({7, 8, 9});
  t.reward[1][1] = std::nan("");
  try {
    t.validate();
    FAIL() << "no error";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("step 1 of episode 8 is nan"));
  }
}

}  // namespace
}  // namespace rl
