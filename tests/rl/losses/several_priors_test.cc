// Losses that learn of several priors, and what they learn from.

#include <gmock/gmock.h>

#include "rl/check.h"
#include "rl/checkpoint.h"
#include "rl/hindsight.h"
#include "rl/learner.h"
#include "rl/losses/mixture_likelihood.h"
#include "rl/losses/subset_gradient.h"
#include "rl/prior_notes.h"
#include "rl/torch.h"
#include "tests/support/golden.h"
#include "tests/toy/logits_policy.h"

namespace rl {
namespace {

using testing_support::golden_cases;
using testing_support::GoldenCase;
using testing_support::largest_difference;
using toy::LogitsPolicy;
using toy::make_rows;

Learner learner_of(std::unique_ptr<Loss> loss, const std::shared_ptr<LogitsPolicy>& policy,
                   Average average, int64_t micro_batch_tokens = 100000) {
  std::vector<Objective> objectives;
  objectives.push_back({"loss", 1.0, std::move(loss), {}});
  LearnerOptions options;
  options.average = average;
  options.micro_batch_tokens = micro_batch_tokens;
  return Learner(policy, std::move(objectives), options);
}

Trajectory with_prior_notes(Trajectory t, const std::string& what, const Tensor& values) {
  for (int64_t k = 0; k < values.size(-1); ++k) {
    t = t.with_note(prior_note(k, what), values.select(-1, k).to(torch::kFloat32));
  }
  return t;
}

TEST(MixtureLikelihood, ReproducesTheGoldenGates) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("gated_ensemble")) {
    const Tensor teachers = golden.input("teacher_logits");
    if (teachers.scalar_type() != torch::kFloat32 || golden.text("mix") != "probabilities" ||
        golden.text("gate") == "selection") {
      continue;
    }
    SCOPED_TRACE(golden.name());
    const Tensor tokens = golden.input("tokens"), gate = golden.input("gate_logits");
    const bool per_row = golden.text("gate") == "row";
    const Tensor label = tokens.unsqueeze(0).expand({teachers.size(0), -1, -1}).unsqueeze(-1);
    const Tensor log_prob =
        teachers.log_softmax(-1).gather(-1, label).squeeze(-1).permute({1, 2, 0});
    const Trajectory t =
        with_prior_notes(make_rows(tokens, golden.input("mask"), torch::ones(tokens.sizes()), 2),
                         "log_prob", log_prob);
    for (const int64_t micro_batch_tokens : {100000, 10}) {
      const auto policy = std::make_shared<LogitsPolicy>(
          per_row ? gate.unsqueeze(1).expand({-1, tokens.size(1), -1}).contiguous() : gate);
      Learner learner = learner_of(std::make_unique<MixtureLikelihood>(), policy, Average::kSteps,
                                   micro_batch_tokens);
      learner.accumulate(t);
      const Tensor gradient = learner.gradients()[0];
      golden.expect("grad_gate_logits", per_row ? gradient.sum(1) : gradient);
      golden.expect("loss_gate", torch::tensor(learner.step().at("policy/loss/loss")));
    }
    ++cases;
  }
  EXPECT_EQ(cases, 6);
}

TEST(MixtureLikelihood, TellsTheMeanWeights) {
  const Trajectory t = with_prior_notes(
      make_rows(torch::zeros({1, 2}, torch::kInt64), torch::ones({1, 2}), torch::ones({1, 2}), 2),
      "log_prob", torch::zeros({1, 2, 2}));
  const auto policy =
      std::make_shared<LogitsPolicy>(torch::tensor({0.0, 0.0, 100.0, 0.0}).view({1, 2, 2}));
  Learner learner = learner_of(std::make_unique<MixtureLikelihood>(), policy, Average::kSteps);
  learner.accumulate(t);
  const Metrics metrics = learner.step();
  EXPECT_NEAR(metrics.at("policy/weight/0"), 0.75, 1e-6);
  EXPECT_NEAR(metrics.at("policy/weight/1"), 0.25, 1e-6);
}

TEST(MixtureLikelihood, NeedsWhatIsNotedOfThePriors) {
  const Trajectory t =
      make_rows(torch::zeros({1, 1}, torch::kInt64), torch::ones({1, 1}), torch::ones({1, 1}), 2);
  Learner learner =
      learner_of(std::make_unique<MixtureLikelihood>(),
                 std::make_shared<LogitsPolicy>(torch::zeros({1, 1, 2})), Average::kSteps);
  EXPECT_THROW(learner.accumulate(t), std::invalid_argument);
}

// One row that took the first of two priors in episode 7 of the last batch.
Trajectory told(double value, double held_out, bool known) {
  Trajectory t =
      make_rows(torch::zeros({1, 3}, torch::kInt64), torch::ones({1, 3}), torch::ones({1, 3}), 2);
  const auto note = [&](const std::string& name, double x) {
    t = t.with_note(kPast + name, torch::full({1, 3}, x));
  };
  note("value", value);
  note("held_out", held_out);
  note("known", known ? 1 : 0);
  note("episode", 7);
  note(prior_note(0, "weight"), 1);
  note(prior_note(1, "weight"), 0);
  return t;
}

std::unique_ptr<SubsetGradient> with_baseline(SubsetGradientOptions options, double baseline) {
  auto loss = std::make_unique<SubsetGradient>(options);
  State state;
  state.put("has_baseline", int64_t{1});
  state.put("baseline", baseline);
  loss->load(state);
  return loss;
}

std::shared_ptr<LogitsPolicy> selector() {
  const Tensor logits = torch::tensor({0.21, -0.15}, torch::kFloat32);
  return std::make_shared<LogitsPolicy>(logits.expand({1, 3, 2}).contiguous());
}

// Worked number MT-1, with R2 and with R3 (g = 0.5, accuracy 0.8).
TEST(SubsetGradient, IsTheWorkedPolicyGradient) {
  const auto policy = selector();
  Learner learner = learner_of(with_baseline({}, -1.8), policy, Average::kRows);
  learner.accumulate(told(-1.594239, 0.8, true));
  const Tensor expected = torch::tensor({-0.092118, 0.095179}, torch::kFloat32);
  EXPECT_LE(largest_difference(learner.gradients()[0].sum(1)[0], expected), 2e-6);
  Learner third = learner_of(with_baseline({.own_share = 0.5}, -1.8), selector(), Average::kRows);
  third.accumulate(told(-1.594239, 0.8, true));
  EXPECT_NEAR(third.step().at("policy/value"), -0.397119, 1e-6);
}

TEST(SubsetGradient, LearnsNothingWhereNobodyChose) {
  for (const bool known : {false, true}) {
    SubsetGradientOptions options;
    options.warm_up = known ? 8 : 0;  // episode 7 is one of the first
    Learner learner = learner_of(with_baseline(options, -1.8), selector(), Average::kRows);
    learner.accumulate(told(-1, 0, known));
    EXPECT_EQ(learner.gradients()[0].abs().max().item<double>(), 0);
  }
}

TEST(SubsetGradient, ComparesWithAMovingAverageThatTheFirstBatchSets) {
  SubsetGradient loss({.baseline_decay = 0.75});
  const auto baseline = [&] {
    State state;
    loss.save(state);
    return state.number("baseline");
  };
  loss.updated({{"known", 0.0}, {"value", 0.0}}, 0);
  State state;
  loss.save(state);
  EXPECT_EQ(state.integer("has_baseline"), 0);
  loss.updated({{"known", 0.5}, {"value", -1.0}}, 0);
  EXPECT_NEAR(baseline(), -2, 1e-12);
  loss.updated({{"known", 1.0}, {"value", -1.0}}, 0);
  EXPECT_NEAR(baseline(), -1.75, 1e-12);
}

TEST(SubsetGradient, RefusesSharesOutOfRange) {
  EXPECT_THROW(SubsetGradient({.own_share = 1.5}), std::invalid_argument);
  EXPECT_THROW(SubsetGradient({.baseline_decay = 1}), std::invalid_argument);
}

// Rows of two steps, the second of which is learned in every other row, that earn 1 per step.
struct Steps : Source {
  Trajectory collect(const Tensor& episodes, double) override {
    const int64_t rows = episodes.size(0);
    Trajectory t = make_rows(torch::zeros({rows, 2}, torch::kInt64), torch::ones({rows, 2}),
                             torch::zeros({rows, 2}), 2);
    t.mask.select(1, 1).copy_(episodes.remainder(2) == 0);
    t.reward = torch::ones({rows, 2});
    t.episode = episodes;
    return t.with_note("seen", episodes.unsqueeze(1).to(torch::kFloat32).expand({rows, 2}));
  }
};

Hindsight hindsight(const std::shared_ptr<LogitsPolicy>& policy) {
  Reward reward{{{"log_likelihood", 1.0, [](const Opinion& o) { return o.action_log_prob(); }}}};
  return Hindsight(std::make_unique<Steps>(), policy, std::move(reward), nullptr, {2, 1}, 100);
}

TEST(Hindsight, TellsWhatTheLastBatchIsWorthToThePolicyAsItIsNow) {
  const auto policy = std::make_shared<LogitsPolicy>(torch::zeros({8, 2, 2}));
  Hindsight source = hindsight(policy);
  const Trajectory first = source.collect(torch::arange(0, 4), 0);
  EXPECT_EQ(first.notes.at("past.known").sum().item<double>(), 0);
  {
    torch::NoGradGuard no_grad;
    policy->logits.copy_(torch::tensor({1.0, 0.0}).log_softmax(-1).expand({8, 2, 2}));
  }
  source.measured(0.5);
  const Trajectory second = source.collect(torch::arange(4, 8), 0);
  const double log_q = -std::log1p(std::exp(-1.0));
  EXPECT_LE(largest_difference(second.notes.at("past.value"), torch::full({4, 2}, 1 + log_q)),
            1e-6);
  EXPECT_LE(
      largest_difference(second.notes.at("past.held_out"), torch::full({4, 2}, std::exp(-0.5))),
      1e-6);
  EXPECT_TRUE(
      second.notes.at("past.seen").select(1, 0).equal(torch::arange(0, 4).to(torch::kFloat32)));
  EXPECT_TRUE(second.notes.at("past.episode").select(1, 1).equal(torch::arange(0, 4)));
}

TEST(Hindsight, GoesOnFromWhereItWasSaved) {
  const auto policy = std::make_shared<LogitsPolicy>(torch::zeros({8, 2, 2}));
  Hindsight whole = hindsight(policy), restored = hindsight(policy);
  whole.collect(torch::arange(0, 4), 0);
  whole.measured(0.7);
  State state;
  whole.save(state);
  restored.load(state);
  const auto expected = whole.collect(torch::arange(4, 8), 0).tensors();
  for (const auto& [name, found] : restored.collect(torch::arange(4, 8), 0).tensors()) {
    EXPECT_TRUE(found.equal(expected.at(name))) << name;
  }
}

}  // namespace
}  // namespace rl
