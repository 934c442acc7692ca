#include "rl/losses/td.h"

#include <gmock/gmock.h>

#include <cmath>

#include "rl/check.h"
#include "rl/learner.h"
#include "rl/torch.h"
#include "tests/support/golden.h"
#include "tests/toy/logits_policy.h"

namespace rl {
namespace {

using testing_support::golden_cases;
using testing_support::GoldenCase;
using toy::LogitsPolicy;
using toy::make_rows;

struct Learned {
  double loss;
  std::vector<Tensor> gradients;
  Tensor errors;
};

// One update. The target network, where there is one, has `target` for logits.
Learned learn(const TdOptions& td, const Trajectory& batch, const Tensor& logits,
              const Tensor& target = {}, int64_t micro_batch_tokens = 100000) {
  const auto policy = std::make_shared<LogitsPolicy>(target.defined() ? target : logits);
  LearnerOptions options;
  options.micro_batch_tokens = micro_batch_tokens;
  std::vector<Objective> objectives;
  objectives.push_back({"td", 1.0, std::make_unique<Td>(td), {}});
  Learner learner(policy, std::move(objectives), options);
  {
    torch::NoGradGuard no_grad;
    policy->logits.copy_(logits);
  }
  const Tensor errors = learner.accumulate(batch);
  const std::vector<Tensor> gradients = learner.gradients();
  return {learner.step().at("policy/loss/td"), gradients, errors};
}

// Losses are worked out in float32: the float64 form of a case has nothing to add.
std::vector<GoldenCase> float32_cases(const std::string& objective) {
  std::vector<GoldenCase> cases;
  for (const GoldenCase& golden : golden_cases(objective)) {
    const char* real = golden.has("q") ? "q" : "student_logits";
    if (golden.input(real).scalar_type() == torch::kFloat32) cases.push_back(golden);
  }
  return cases;
}

// Rows of two columns: the state whose action is learned, and the state that it led to.
TEST(Td, ReproducesTheGoldenTargets) {
  for (const std::string objective : {"dqn_targets", "soft_q_targets"}) {
    for (const GoldenCase& golden : float32_cases(objective)) {
      const Tensor q = golden.input("q"), action = golden.input("actions");
      const int64_t rows = q.size(0), actions = q.size(1);
      const std::string kind = golden.text("kind");
      const Tensor online = kind == "double" ? golden.input("next_online_q") : torch::zeros_like(q);
      const Tensor none = torch::zeros({rows}), never = torch::zeros({rows}, torch::kInt64);
      const double n = golden.number("n", 1), gamma = std::pow(golden.number("gamma", 1), n);
      Trajectory t = make_rows(
          torch::stack({action, never}, 1), torch::tensor({1, 0}).repeat({rows, 1}),
          torch::stack({1 - golden.input("terminated").to(torch::kFloat32), none}, 1), actions);
      t.reward = torch::stack({golden.input("rewards"), none}, 1);
      // Only what is legal is in the set.
      const Tensor ids = torch::arange(actions).expand({rows, actions});
      const Tensor legal = ids.masked_fill(golden.input("next_legal").eq(0), -1);
      t.actions = ActionSet{torch::stack({ids, legal}, 1),
                            torch::zeros({rows, 2, actions}),
                            torch::full({rows, 2}, -INFINITY),
                            {},
                            nullptr};
      if (golden.has("weights")) t.importance = golden.input("weights");

      const bool huber = golden.text("loss") == "huber";
      const TdOptions options{
          .gamma = gamma,
          .entropy = kind == "soft" ? golden.number("entropy_temperature", 1) : 0,
          .double_q = kind == "double",
          .huber_delta = huber ? golden.number("delta", 1) : 0};
      const Learned found =
          learn(options, t, torch::stack({q, online}, 1),
                torch::stack({torch::zeros_like(q), golden.input("next_target_q")}, 1));
      // Our squared errors are halved.
      const double scale = huber ? 1 : 2;
      golden.expect("loss", torch::tensor(scale * found.loss, torch::kFloat64));
      golden.expect("grad_q", scale * found.gradients[0].select(1, 0));
      EXPECT_TRUE(
          found.errors.allclose(golden.input("td_error").abs().to(torch::kFloat32), 1e-4, 1e-5))
          << golden.name();
      EXPECT_EQ(found.gradients[0].select(1, 1).abs().max().item<double>(), 0);
    }
  }
}

TEST(Td, ReproducesTheGoldenSqilCases) {
  for (const GoldenCase& golden : float32_cases("sqil")) {
    const int64_t steps = golden.input("mask").size(1),
                  own_steps = golden.input("own_mask").size(1);
    const auto both = [&](const std::string& name) {
      std::vector<int64_t> shape = golden.input(name).sizes().vec();
      shape[1] = std::max(steps, own_steps);
      return torch::cat({padded(name, golden.input(name), shape),
                         padded(name, golden.input("own_" + name), shape)});
    };
    const Tensor logits = both("student_logits"), mask = both("mask");
    Trajectory t = make_rows(both("tokens"), mask, both("discounts"), logits.size(-1));
    const int64_t demonstrations = golden.input("mask").size(0);
    t.second = torch::arange(t.size()) >= demonstrations;
    const std::string bootstrap = golden.text("bootstrap");
    const TdOptions options{.gamma = 1,
                            .entropy = golden.number("entropy_temperature", 1),
                            .huber_delta = 0,
                            .bootstrap = bootstrap == "live"     ? Bootstrap::live
                                         : bootstrap == "target" ? Bootstrap::target
                                                                 : Bootstrap::detached,
                            .sqil = SqilOptions{golden.number("lambda", 1)}};
    const Tensor target = bootstrap == "target" ? both("target_logits") : Tensor();
    for (const int64_t micro_batch_tokens : {100000, 10}) {
      const Learned found = learn(options, t, logits, target, micro_batch_tokens);
      golden.expect("loss", torch::tensor(2 * found.loss, torch::kFloat64));
      const Tensor gradient = 2 * found.gradients[0];
      golden.expect("grad_student_logits",
                    gradient.narrow(0, 0, demonstrations).narrow(1, 0, steps));
      golden.expect("grad_own_student_logits",
                    gradient.slice(0, demonstrations).narrow(1, 0, own_steps));
    }
  }
}

// A row of three steps and its end: actions 0, rewards 1, 2 and 4, Q 10 s + a in state s.
struct Row {
  Row() {
    t = make_rows(torch::zeros({1, 3}, torch::kInt64), torch::ones({1, 3}),
                  torch::tensor({{1.F, 1.F, 0.F}}), 2);
    t.reward = torch::tensor({{1.F, 2.F, 4.F}});
  }
  // The error of the mean is the error of the row; squared errors are linear in it with Huber's bend.
  Tensor targets(TdOptions options) const {
    options.gamma = 0.5;
    options.huber_delta = 0;
    const Tensor gradient = learn(options, t, q).gradients[0].select(-1, 0) * 3;
    return q.select(-1, 0) - gradient;
  }
  Trajectory t;
  Tensor q = torch::tensor({{{0.F, 1.F}, {10.F, 11.F}, {20.F, 21.F}}});
};

TEST(Td, OfOneStepBootstrapsAtOnce) {
  EXPECT_TRUE(Row().targets({}).allclose(torch::tensor({{1 + 5.5F, 2 + 10.5F, 4.F}})));
}

TEST(Td, OfTwoStepsBootstrapsAfterTwo) {
  EXPECT_TRUE(Row().targets({.n_steps = 2}).allclose(torch::tensor({{2 + 5.25F, 4.F, 4.F}})));
}

TEST(Td, OfLambdaReturnsMixesThem) {
  EXPECT_TRUE(Row().targets({.lambda = 0}).allclose(Row().targets({})));
  EXPECT_TRUE(Row().targets({.lambda = 1}).allclose(torch::tensor({{3.F, 4.F, 4.F}})));
  EXPECT_TRUE(Row()
                  .targets({.lambda = 0.5})
                  .allclose(torch::tensor({{1 + .25F * (11 + 8.25F), 8.25F, 4.F}})));
}

TEST(Td, OfAnEpsilonIsExpectedSarsa) {
  EXPECT_TRUE(Row().targets({.epsilon = 1}).allclose(torch::tensor({{6.25F, 12.25F, 4.F}})));
  EXPECT_TRUE(Row()
                  .targets({.double_q = true, .epsilon = 0.5})
                  .allclose(torch::tensor({{6.375F, 12.375F, 4.F}})));
}

TEST(Td, GivesTheSameGradientHoweverTheBatchIsCut) {
  torch::manual_seed(1);
  const Tensor logits = torch::randn({5, 4, 3}), target = torch::randn({5, 4, 3});
  Trajectory t = make_rows(torch::randint(3, {5, 4}, torch::kInt64),
                           torch::arange(4).unsqueeze(0) < torch::tensor({{4}, {1}, {3}, {2}, {3}}),
                           torch::tensor({1.F, 1.F, 1.F, 0.F}).repeat({5, 1}), 3);
  t.reward = torch::randn({5, 4});
  t.second = torch::arange(5) == 2;
  for (const TdOptions& options :
       {TdOptions{.n_steps = 3}, TdOptions{.lambda = 0.7},
        TdOptions{.double_q = true, .epsilon = .1},
        TdOptions{.epsilon = .1, .bootstrap = Bootstrap::live},
        TdOptions{.entropy = 0.3, .bootstrap = Bootstrap::live, .sqil = SqilOptions{}}}) {
    const Learned whole = learn(options, t, logits, target);
    const Learned cut = learn(options, t, logits, target, 3);
    EXPECT_NEAR(whole.loss, cut.loss, 1e-6);
    EXPECT_TRUE(whole.gradients[0].allclose(cut.gradients[0], 1e-5, 1e-7));
  }
}

// A second formula, with the gradient through the values of later states.
TEST(Td, OfLiveGreedyValuesHasTheirGradient) {
  torch::manual_seed(9);
  const Tensor logits = torch::randn({2, 3, 4});
  Trajectory t = make_rows(torch::randint(4, {2, 3}, torch::kInt64), torch::ones({2, 3}),
                           torch::tensor({1.F, 1.F, 0.F}).repeat({2, 1}), 4);
  t.reward = torch::randn({2, 3});
  const Tensor z = logits.clone().requires_grad_();
  const Tensor value = std::get<0>(z.max(-1)).lerp(z.mean(-1), 0.1);
  const Tensor next = torch::constant_pad_nd(value.narrow(1, 1, 2), {0, 1}) * 0.9;
  const Tensor error = z.gather(-1, t.action.unsqueeze(-1)).squeeze(-1) - t.reward - next;
  (error.square() / 2).mean().backward();
  const Learned found =
      learn({.gamma = 0.9, .huber_delta = 0, .epsilon = 0.1, .bootstrap = Bootstrap::live}, t,
            logits, {});
  EXPECT_TRUE(found.gradients[0].allclose(z.grad(), 1e-5, 1e-7));
}

TEST(Td, RefusesOptionsOutOfRange) {
  for (const TdOptions& options :
       {TdOptions{.gamma = 1.1}, TdOptions{.entropy = -1}, TdOptions{.huber_delta = -1},
        TdOptions{.epsilon = 2}, TdOptions{.n_steps = 0}, TdOptions{.lambda = 2},
        TdOptions{.n_steps = 2, .lambda = 0.5}, TdOptions{.entropy = 1, .double_q = true},
        TdOptions{.entropy = 1, .epsilon = 0.1},
        TdOptions{.double_q = true, .bootstrap = Bootstrap::detached},
        TdOptions{.n_steps = 2, .bootstrap = Bootstrap::live}}) {
    EXPECT_THROW(Td{options}, std::invalid_argument);
  }
}

}  // namespace
}  // namespace rl
