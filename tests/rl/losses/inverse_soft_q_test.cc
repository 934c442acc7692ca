#include "rl/losses/inverse_soft_q.h"

#include <gmock/gmock.h>

#include "rl/check.h"
#include "rl/learner.h"
#include "rl/losses/imitation.h"
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
  Metrics metrics;
  Tensor gradient;
};

Learned learn(const InverseSoftQOptions& q, const Trajectory& batch, const Tensor& logits,
              const Tensor& target = {}, int64_t micro_batch_tokens = 100000) {
  const auto policy = std::make_shared<LogitsPolicy>(target.defined() ? target : logits);
  LearnerOptions options;
  options.micro_batch_tokens = micro_batch_tokens;
  std::vector<Objective> objectives;
  objectives.push_back({"q", 1.0, std::make_unique<InverseSoftQ>(q), {}});
  Learner learner(policy, std::move(objectives), options);
  {
    torch::NoGradGuard no_grad;
    policy->logits.copy_(logits);
  }
  learner.accumulate(batch);
  const Tensor gradient = learner.gradients()[0];
  return {learner.step(), gradient};
}

InverseSoftQOptions options_of(const GoldenCase& golden) {
  const std::map<std::string, ops::Gauge> gauges = {{"max_shift", ops::Gauge::max_shift},
                                                    {"log_softmax", ops::Gauge::log_softmax},
                                                    {"raw", ops::Gauge::raw}};
  return {.gamma = 1,
          .td = {.alpha = golden.number("alpha", 0), .chi2 = golden.flag("chi2", true)},
          .gauge = gauges.at(golden.text("gauge")),
          .q_min = std::nullopt,
          .entropy_temperature = golden.number("entropy_temperature", 1),
          .use_target = golden.flag("use_target", false)};
}

TEST(InverseSoftQ, ReproducesTheGoldenIqLearnCases) {
  for (const GoldenCase& golden : golden_cases("iq_learn")) {
    const Tensor logits = golden.input("student_logits");
    if (logits.scalar_type() != torch::kFloat32 || golden.text("value_term") != "expert") continue;
    const Trajectory t = make_rows(golden.input("tokens"), golden.input("mask"),
                                   golden.input("discounts"), logits.size(-1));
    const Tensor target = golden.has("target_logits") ? golden.input("target_logits") : Tensor();
    for (const int64_t micro_batch_tokens : {100000, 10}) {
      const Learned found = learn(options_of(golden), t, logits, target, micro_batch_tokens);
      const auto metric = [&](const char* name) {
        return torch::tensor(found.metrics.at(name), torch::kFloat64);
      };
      golden.expect("loss", metric("policy/loss/q"));
      golden.expect("loss_likelihood", metric("policy/likelihood"));
      golden.expect("loss_chi2", metric("policy/chi2"));
      golden.expect("grad_student_logits", found.gradient);
    }
  }
}

// Two demonstrated rows and two of the policy's own.
struct Mixed {
  Mixed() {
    torch::manual_seed(2);
    logits = torch::randn({4, 3, 5});
    // One of the rows is shorter than the others.
    Tensor mask = torch::ones({4, 3}), discount = torch::tensor({1.F, 1.F, 0.F}).repeat({4, 1});
    mask[0].slice(0, 1).fill_(0);
    discount[0].fill_(0);
    t = make_rows(torch::randint(5, {4, 3}, torch::kInt64), mask, discount, 5);
    t.second = torch::tensor({false, true, false, true});
  }
  Tensor logits;
  Trajectory t;
};

// A second, slower formula, over everything at once.
TEST(InverseSoftQ, OfMixedStepsIsTheSumOfItsMeans) {
  const Mixed m;
  for (const bool chi2_on_own : {false, true}) {
    const Tensor z = m.logits.clone().requires_grad_();
    const Tensor value = z.logsumexp(-1);
    const Tensor next = torch::constant_pad_nd(value.narrow(1, 1, 2), {0, 1}) * m.t.discount * 0.9;
    const Tensor r = z.gather(-1, m.t.action.unsqueeze(-1)).squeeze(-1) - next;
    const auto of_all = [&](const Tensor& x) { return x.masked_select(m.t.mask).mean(); };
    const Tensor demonstrated = m.t.mask.logical_and(m.t.second.logical_not().unsqueeze(1));
    const auto of_demonstrations = [&](const Tensor& x) {
      return x.masked_select(demonstrated).mean();
    };
    const Tensor squares = r.square() / (4 * 0.5);
    const Tensor expected = -of_demonstrations(r) + of_all(value - next) +
                            (chi2_on_own ? of_all(squares) : of_demonstrations(squares));
    expected.backward();
    const InverseSoftQOptions options{.gamma = 0.9,
                                      .td = {.alpha = 0.5},
                                      .gauge = ops::Gauge::raw,
                                      .q_min = std::nullopt,
                                      .own_steps = true,
                                      .chi2_on_own = chi2_on_own};
    for (const int64_t micro_batch_tokens : {1000, 3}) {
      const Learned found = learn(options, m.t, m.logits, {}, micro_batch_tokens);
      EXPECT_NEAR(found.metrics.at("policy/loss/q"), expected.item<double>(), 1e-5);
      EXPECT_TRUE(found.gradient.allclose(z.grad(), 1e-4, 1e-6));
    }
  }
}

// A step outside its set is not learned from, whatever the rows, and another objective still learns it.
TEST(InverseSoftQ, LeavesOutStepsOutsideTheirSetForItselfAlone) {
  const Mixed m;
  Trajectory batch = m.t;
  batch.actions = top_k(torch::arange(5, torch::kFloat32).log_softmax(-1).expand({4, 3, 5}), 2);
  batch.action = torch::full({4, 3}, 4, torch::kInt64);
  batch.action[2][0] = 0;
  for (const Rows rows : {Rows::kAll, Rows::kFirst}) {
    for (const bool with_other : {false, true}) {
      const auto policy = std::make_shared<LogitsPolicy>(m.logits);
      std::vector<Objective> objectives;
      objectives.push_back(
          {"q",
           1.0,
           std::make_unique<InverseSoftQ>(InverseSoftQOptions{.out_of_set = OutOfSet::exclude}),
           {},
           rows});
      if (with_other) {
        objectives.push_back(
            {"written",
             1.0,
             std::make_unique<Imitation>(),
             {{{"log_prob", 1.0, [](const Opinion& o) { return o.action_log_prob(); }}}}});
      }
      Learner learner(policy, std::move(objectives), {});
      learner.accumulate(learner.prepare(batch));
      const Tensor gradient = learner.gradients()[0];
      EXPECT_EQ(gradient[2][0].abs().max().item<double>() > 0, with_other);
      EXPECT_GT(gradient[2][1].abs().max().item<double>(), 0);
    }
  }
}

// A judge that has become another may no longer offer what was taken.
TEST(InverseSoftQ, ReadsTheValueOfTheActionTakenThoughItsSetLacksIt) {
  const Mixed m;
  Trajectory batch = m.t;
  batch.actions = top_k(torch::arange(5, torch::kFloat32).log_softmax(-1).expand({4, 3, 5}), 2);
  batch.action = torch::zeros({4, 3}, torch::kInt64);
  InverseSoftQOptions options;
  options.td.chi2 = false;
  const Tensor gradient =
      learn(options, batch, m.logits)
          .gradient.masked_select(batch.mask.unsqueeze(-1).logical_and(torch::arange(5) == 0));
  const double share = -1.0 / static_cast<double>(gradient.size(0));
  EXPECT_TRUE(gradient.allclose(torch::full_like(gradient, share), 1e-4, 1e-6)) << gradient;
}

// Shares are those of the steps that are left: own steps outside their set move nobody else's weight.
TEST(InverseSoftQ, SharesWhatIsLeftAmongDemonstratedAndOwnSteps) {
  const Mixed m;
  const auto at_demonstrations = [&](bool outside) {
    Trajectory batch = m.t;
    batch.mask = torch::ones_like(batch.mask);
    batch.state_mask = batch.mask;
    batch.discount = torch::zeros_like(batch.discount);  // V(s) - r and its means alone
    batch.actions = top_k(torch::arange(5, torch::kFloat32).log_softmax(-1).expand({4, 3, 5}), 2);
    batch.action = torch::full({4, 3}, 4, torch::kInt64);
    if (outside) {
      batch.action[1].fill_(0);
    } else {
      batch = batch.select(torch::tensor({0, 2, 3}));  // as if the row were not there
    }
    const auto policy = std::make_shared<LogitsPolicy>(m.logits);
    std::vector<Objective> objectives;
    objectives.push_back({"q",
                          1.0,
                          std::make_unique<InverseSoftQ>(InverseSoftQOptions{
                              .out_of_set = OutOfSet::exclude, .own_steps = true}),
                          {}});
    Learner learner(policy, std::move(objectives), {});
    learner.accumulate(learner.prepare(batch));
    return learner.gradients()[0];
  };
  EXPECT_TRUE(at_demonstrations(true).allclose(at_demonstrations(false), 1e-5, 1e-7));
}

TEST(InverseSoftQ, RefusesOptionsOutOfRange) {
  const auto refuses = [](const InverseSoftQOptions& options) {
    EXPECT_THROW(InverseSoftQ{options}, std::invalid_argument);
  };
  refuses({.gamma = 2});
  refuses({.entropy_temperature = 0});
  refuses({.chi2_on_own = true});
  refuses({.tail = ops::Tail::drop, .out_of_set = OutOfSet::tail});
}

}  // namespace
}  // namespace rl
