// Soft Q imitation learning and inverse soft Q-learning on answers: a token is an action.

#include <gmock/gmock.h>

#include "envs/token/dataset_source.h"
#include "tests/distill/table_learning.h"

namespace distill {
namespace {

using rl::Tensor;
using rl::Trajectory;

// Logits in the states of one answer of three tokens of four, the last of which ends it.
const Tensor& logits() {
  static const Tensor z =
      torch::tensor({{1.F, 1.5F, 0.F, -.5F}, {0.F, 1.F, .5F, 0.F}, {.5F, 0.F, 0.F, 1.5F}});
  return z;
}

// Responses to a prompt, and which of them the student wrote.
Trajectory answers(const std::vector<std::vector<int64_t>>& responses, const Tensor& second,
                   bool ended = true) {
  std::vector<envs::Example> examples;
  for (const auto& response : responses) {
    examples.push_back({.prompt = {1, 2}, .response = response, .ended = ended, .where = ""});
  }
  Trajectory t =
      envs::trajectory_of(examples, torch::arange(static_cast<int64_t>(examples.size())));
  t.second = second;
  return t;
}

const LearnerSpec& learner_of(const MethodSpec& method) { return agent_of(method).learners.at(0); }

// Worked numbers E5: what a demonstration is short of 1 and an own answer of 0, squared.
TEST(Sqil, OnAnswersIsTheSumOfTwoMeansOfSquaredErrors) {
  const Trajectory t = answers({{0, 1, 3}, {1, 2, 3}}, torch::tensor({false, true}));
  const Tensor z = logits().expand({2, 3, 4});
  for (const int64_t micro_batch_tokens : {1000, 3}) {
    Learning both(learner_of(build("sqil")), z, micro_batch_tokens);
    both.learn(t);
    EXPECT_NEAR(2 * both.metrics.at("policy/loss/td"), 4.250952, 2e-6);
  }
  // Each half by itself, through the errors of its steps.
  Learning learning(learner_of(build("sqil")), z);
  const Tensor gradient = learning.learn(t).gather(-1, t.action.unsqueeze(-1)).squeeze(-1);
  // The halves have three steps each: the gradient of a step's Q is a third of its error.
  const Tensor squares = (3 * gradient).square();
  EXPECT_TRUE(squares.allclose(
      torch::tensor({{3.358487F, 4.304195F, .25F}, {.110634F, 2.479539F, 2.25F}}), 1e-5, 2e-6))
      << squares;
}

TEST(Sqil, BootstrapsWhereAnAnswerWasCut) {
  // The state that the cut answer reached is a fourth; its value is that of its logits.
  const Tensor z = torch::cat({logits(), torch::tensor({{0.F, 0.F, 0.F, 0.F}})}).expand({2, 4, 4});
  const Trajectory t =
      answers({{0, 1, 2}, {1, 2, 0}}, torch::tensor({false, true}), /*ended=*/false);
  ASSERT_EQ(t.length(), 4);
  Learning learning(learner_of(build("sqil", "gamma: 0.5")), z);
  const Tensor gradient = 3 * learning.learn(t).gather(-1, t.action.unsqueeze(-1)).squeeze(-1);
  const double reached = 0.5 * std::log(4.0);
  EXPECT_NEAR(gradient[0][2].item<double>(), 0 - (1 + reached), 1e-5);
  EXPECT_NEAR(gradient[1][2].item<double>(), .5 - (0 + reached), 1e-5);
  EXPECT_EQ(gradient[0][3].item<double>(), 0);
}

TEST(Sqil, NeedsRowsOfAMixture) {
  Trajectory t = answers({{0, 1, 3}}, {});
  Learning learning(learner_of(build("sqil")), logits().unsqueeze(0));
  EXPECT_THROW(learning.learn(t), std::invalid_argument);
}

// Worked numbers E4.
TEST(IqLearn, OnAnswersIsLikelihoodAndASquaredImpliedReward) {
  const Trajectory t = answers({{0, 1, 3}}, {});
  const auto metrics = [&](const Tensor& z) {
    Learning learning(learner_of(build("iq_learn")), z.unsqueeze(0));
    learning.learn(t);
    return learning.metrics;
  };
  const rl::Metrics found = metrics(logits());
  EXPECT_NEAR(found.at("policy/likelihood"), .874077, 1e-6);
  EXPECT_NEAR(found.at("policy/chi2"), .683023, 1e-6);
  EXPECT_NEAR(found.at("policy/loss/soft_td"), 1.557100, 2e-6);
  EXPECT_NEAR(3 * found.at("policy/implied_reward"), -.832618 - 1.074655 + 1.5, 2e-6);
  // Raw logits have a level: one more in one state changes the reward, not the likelihood.
  Tensor moved = logits().clone();
  moved[1] += 1;
  const rl::Metrics other = metrics(moved);
  EXPECT_NEAR(other.at("policy/likelihood"), .874077, 1e-6);
  EXPECT_NEAR(other.at("policy/chi2"), .929585, 1e-6);
  EXPECT_NEAR(other.at("policy/loss/soft_td"), 1.803662, 2e-6);
}

// With own answers, by the equation: -mean of demonstrated r + mean of V(s) - gamma V(s') + chi2.
TEST(IqLearn, OnAnswersOfBothSidesFollowsItsEquation) {
  const Trajectory t = answers({{0, 1, 3}, {1, 2, 3}}, torch::tensor({false, true}));
  const Tensor z = logits().expand({2, 3, 4});
  const Tensor value = z.logsumexp(-1);
  const Tensor next = torch::constant_pad_nd(value.narrow(1, 1, 2), {0, 1}) * .99;
  const Tensor reward = z.gather(-1, t.action.unsqueeze(-1)).squeeze(-1) - next;
  const double expected =
      (-reward[0].mean() + (value - next).mean() + reward[0].square().mean() / (4 * .5))
          .item<double>();
  for (const int64_t micro_batch_tokens : {1000, 3}) {
    Learning learning(learner_of(build("iq_learn", "student_share: 0.5")), z, micro_batch_tokens);
    learning.learn(t);
    EXPECT_NEAR(learning.metrics.at("policy/loss/soft_td"), expected, 2e-6);
  }
}

}  // namespace
}  // namespace distill
