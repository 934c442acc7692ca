#include "rl/losses/policy_gradient.h"

#include <gmock/gmock.h>

#include <cmath>

#include "rl/check.h"
#include "rl/learner.h"
#include "rl/torch.h"
#include "tests/support/golden.h"
#include "tests/toy/logits_policy.h"

namespace rl {
namespace {

using ops::Normalization;
using testing_support::golden_cases;
using testing_support::GoldenCase;
using toy::LogitsPolicy;
using toy::make_rows;

struct Learned {
  Metrics metrics;
  std::vector<Tensor> gradients;
  bool enough;
};

// One update from a batch that is prepared already, or not.
Learned learn(const PolicyGradientOptions& loss, const Trajectory& batch, const Tensor& logits,
              const Tensor& value, bool prepare, int64_t micro_batch_tokens = 100000) {
  LearnerOptions options;
  options.micro_batch_tokens = micro_batch_tokens;
  std::vector<Objective> objectives;
  objectives.push_back({"pg", 1.0, std::make_unique<PolicyGradient>(loss), {}});
  Learner learner(std::make_shared<LogitsPolicy>(logits, value), std::move(objectives), options);
  learner.accumulate(prepare ? learner.prepare(batch) : batch);
  const std::vector<Tensor> gradients = learner.gradients();
  const Metrics metrics = learner.step();
  return {metrics, gradients, learner.enough()};
}

TEST(PolicyGradient, ReproducesTheGoldenPpoCases) {
  const std::map<std::string, Normalization> normalizations = {
      {"none", Normalization::none},
      {"sample", Normalization::sample},
      {"population", Normalization::population}};
  for (const GoldenCase& golden : golden_cases("ppo")) {
    Tensor logits = golden.input("action_logits"), value = golden.input("values");
    if (logits.scalar_type() != torch::kFloat32) continue;
    // Steps without rows are rows of one step.
    const auto rows = [&](const std::string& name) {
      const Tensor x = golden.input(name);
      return value.dim() == 1 ? x.unsqueeze(1) : x;
    };
    const double coefficient =
        golden.number("value_coefficient", 1) * golden.number("value_loss_scale", 1);
    PolicyGradientOptions options{
        .clip = golden.number("clip", 0),
        .value_coefficient = coefficient,
        .entropy_coefficient = golden.number("entropy_coefficient", 0),
        .normalization = normalizations.at(golden.text("normalise_advantages"))};
    if (!golden.params().at("value_clip").is_null()) {
      options.value_clip = golden.number("value_clip", 0);
    }
    const Tensor mask = rows("mask");
    Trajectory t = make_rows(rows("actions"), mask, torch::zeros(mask.sizes()), logits.size(-1));
    t.behavior_log_prob = rows("old_log_probs");
    t = t.with_note("advantage", rows("advantages"))
            .with_note("target", rows("returns"))
            .with_note("old_value", rows("old_values"));
    t = PolicyGradient(options).complete(t);
    for (const int64_t micro_batch_tokens : {100000, 8}) {
      const Learned found =
          learn(options, t, rows("action_logits"), rows("values"), false, micro_batch_tokens);
      const auto metric = [&](const char* name) {
        return torch::tensor(found.metrics.at(name), torch::kFloat64);
      };
      golden.expect("loss", metric("policy/loss/pg"));
      golden.expect("loss_policy", metric("policy/policy_loss"));
      golden.expect("entropy", metric("policy/entropy"));
      golden.expect("approximate_kl", metric("policy/approximate_kl"));
      golden.expect("clip_fraction", metric("policy/clip_fraction"));
      golden.expect("grad_action_logits", found.gradients[0].reshape(logits.sizes()));
      golden.expect("grad_values", found.gradients[1].reshape(value.sizes()));
    }
  }
}

// Four episodes in two groups, of two steps each but the last, which has one.
struct Episodes {
  Episodes() {
    torch::manual_seed(4);
    logits = torch::randn({4, 2, 3});
    value = torch::randn({4, 2});
    t = make_rows(torch::tensor({{0, 1}, {2, 1}, {1, 1}, {2, 0}}),
                  torch::tensor({{1, 1}, {1, 1}, {1, 1}, {1, 0}}),
                  torch::tensor({{1.F, 0.F}, {1.F, 0.F}, {1.F, 0.F}, {0.F, 0.F}}), 3);
    t.reward = torch::tensor({{1.F, 2.F}, {0.F, 6.F}, {4.F, 0.F}, {8.F, 99.F}});
    t.behavior_log_prob = log_prob() - 0.1;
  }
  Tensor log_prob() const {
    return logits.log_softmax(-1).gather(-1, t.action.unsqueeze(-1)).squeeze(-1);
  }
  // The advantages of every step that a gradient of the score function holds.
  Tensor advantages(PolicyGradientOptions options) const {
    options.gamma = 0.5;
    options.clip.reset();
    const Tensor gradient = learn(options, t, logits, value, true).gradients[0] * 7;
    const Tensor score = torch::one_hot(t.action, 3) - logits.softmax(-1);
    return -gradient.select(-1, 0) / score.select(-1, 0);
  }
  Tensor logits, value;
  Trajectory t;
};

TEST(PolicyGradient, WithoutABaselineLearnsFromReturns) {
  EXPECT_TRUE(
      Episodes()
          .advantages({.normalization = Normalization::none, .baseline = Baseline::none})
          .allclose(torch::tensor({{2.F, 2.F}, {3.F, 6.F}, {4.F, 0.F}, {8.F, 0.F}}), 1e-4, 1e-5));
}

// Returns are 2, 3, 4 and 8, the means of the groups 2.5 and 6.
TEST(PolicyGradient, ComparesEpisodesWithTheirBaseline) {
  const auto expect_rows = [](PolicyGradientOptions options, const Tensor& rows) {
    options.normalization = Normalization::none;
    Tensor expected = rows.unsqueeze(1).repeat({1, 2});
    expected[3][1] = 0;
    const Tensor found = Episodes().advantages(options);
    EXPECT_TRUE(found.allclose(expected, 1e-4, 1e-5)) << found;
  };
  expect_rows({.baseline = Baseline::batch}, torch::tensor({-2.25F, -1.25F, -.25F, 3.75F}));
  expect_rows({.baseline = Baseline::group, .group_size = 2},
              torch::tensor({-.5F, .5F, -2.F, 2.F}));
  expect_rows({.baseline = Baseline::leave_one_out, .group_size = 2},
              torch::tensor({-1.F, 1.F, -4.F, 4.F}));
}

TEST(PolicyGradient, NormalizesByGroup) {
  const Tensor found = Episodes().advantages(
      {.normalization = Normalization::population, .baseline = Baseline::group, .group_size = 2});
  EXPECT_TRUE(found.select(1, 0).allclose(torch::tensor({-1.F, 1.F, -1.F, 1.F}), 1e-3, 1e-3));
}

// Rewards are 1 2 / 0 6 / 4 0 / 8, gamma is 0.5.
TEST(PolicyGradient, CreditsStepsWithWhatFollowsThem) {
  const PolicyGradientOptions plain{.normalization = Normalization::none,
                                    .baseline = Baseline::none};
  const auto expect_advantages = [&](PolicyGradientOptions options, const Tensor& expected) {
    const Tensor found = Episodes().advantages(options);
    EXPECT_TRUE(found.allclose(expected, 1e-4, 1e-5)) << found;
  };
  PolicyGradientOptions options = plain;
  options.include_current = false;
  const Tensor later = torch::tensor({{2.F, 0.F}, {6.F, 0.F}, {0.F, 0.F}, {0.F, 0.F}});
  expect_advantages(options, later);
  options.length_normalized = true;  // one step follows
  expect_advantages(options, later);
  options.include_current = true;
  expect_advantages(options, torch::tensor({{1.F, 2.F}, {1.5F, 6.F}, {2.F, 0.F}, {8.F, 0.F}}));
  options = plain;
  options.reward_clip = 3;
  expect_advantages(options, torch::tensor({{2.F, 2.F}, {1.5F, 3.F}, {3.F, 0.F}, {3.F, 0.F}}));
  options = plain;
  options.advantage_clip = 3;
  expect_advantages(options, torch::tensor({{2.F, 2.F}, {3.F, 3.F}, {3.F, 0.F}, {3.F, 0.F}}));
}

TEST(PolicyGradient, NormalizesOverPaddingWhereAsked) {
  const Tensor returns = torch::tensor({{2.F, 2.F}, {3.F, 6.F}, {4.F, 0.F}, {8.F, 0.F}});
  const Tensor scaled = (returns - returns.mean()) / returns.std(/*unbiased=*/false);
  Tensor expected = scaled.clone();
  expected[3][1] = 0;  // it counts, but there is nothing to learn
  const Tensor found = Episodes().advantages({.normalization = Normalization::population,
                                              .baseline = Baseline::none,
                                              .normalize_padding = true});
  EXPECT_TRUE(found.allclose(expected, 1e-4, 1e-4)) << found;
}

TEST(PolicyGradient, OfTheWholeRatioCountsAsOftenAsThePolicyWouldDoIt) {
  const Episodes e;  // every ratio is exp(0.1)
  const PolicyGradientOptions fresh{.normalization = Normalization::none,
                                    .baseline = Baseline::none};
  PolicyGradientOptions ratio = fresh;
  ratio.ratio = true;
  EXPECT_TRUE(e.advantages(ratio).allclose(std::exp(.1) * e.advantages(fresh), 1e-4, 1e-5));
}

TEST(PolicyGradient, WeighsStaleStepsByTheirClippedRatio) {
  Episodes e;
  const PolicyGradientOptions options{
      .normalization = Normalization::none, .baseline = Baseline::none, .importance_clip = 1.05};
  PolicyGradientOptions fresh = options;
  fresh.importance_clip.reset();
  // Every ratio is exp(0.1), beyond the clip; then exp(-0.1), below it.
  EXPECT_TRUE(e.advantages(options).allclose(1.05 * e.advantages(fresh), 1e-4, 1e-5));
  e.t.behavior_log_prob = e.log_prob() + 0.1;
  EXPECT_TRUE(e.advantages(options).allclose(std::exp(-0.1) * e.advantages(fresh), 1e-4, 1e-5));
}

TEST(PolicyGradient, OfValuesAndAnImportanceClipIsVtrace) {
  Episodes e;
  const Tensor found =
      e.advantages({.lambda = 1, .normalization = Normalization::none, .importance_clip = 1});
  const Tensor value = e.value * e.t.mask;
  const ops::Advantages expected = ops::vtrace(
      torch::full({4, 2}, 0.1), e.t.reward * e.t.mask, e.t.discount * 0.5,
      torch::tensor({{0, 1}, {0, 1}, {0, 1}, {1, 1}}), value, ops::next_column(value), {});
  EXPECT_TRUE(found.allclose(expected.advantage * e.t.mask, 1e-4, 1e-5)) << found;
}

TEST(PolicyGradient, GivesTheSameGradientHoweverTheBatchIsCut) {
  const Episodes e;
  for (const PolicyGradientOptions& options :
       {PolicyGradientOptions{.value_clip = 0.1, .entropy_coefficient = 0.01},
        PolicyGradientOptions{.clip = std::nullopt, .baseline = Baseline::batch},
        PolicyGradientOptions{.baseline = Baseline::group, .group_size = 2},
        PolicyGradientOptions{
            .clip = std::nullopt, .normalization = Normalization::none, .importance_clip = 1.0}}) {
    const Learned whole = learn(options, e.t, e.logits, e.value, true);
    const Learned cut = learn(options, e.t, e.logits, e.value, true, 2);
    EXPECT_NEAR(whole.metrics.at("policy/loss/pg"), cut.metrics.at("policy/loss/pg"), 1e-5);
    for (size_t i = 0; i < whole.gradients.size(); ++i) {
      if (!whole.gradients[i].defined()) continue;
      EXPECT_TRUE(whole.gradients[i].allclose(cut.gradients[i], 1e-5, 1e-7));
    }
  }
}

TEST(PolicyGradient, HasLearnedEnoughBeyondItsKl) {
  const Episodes e;
  // Every ratio is exp(0.1): the divergence is about 0.005.
  EXPECT_TRUE(learn({.max_kl = 0.004}, e.t, e.logits, e.value, true).enough);
  EXPECT_FALSE(learn({.max_kl = 0.006}, e.t, e.logits, e.value, true).enough);
  EXPECT_FALSE(learn({}, e.t, e.logits, e.value, true).enough);
}

// One whitens the returns of whole episodes, the other learns each token by its own reward.
TEST(PolicyGradient, OfTwoRewardsHasTheSumOfTheirGradients) {
  torch::manual_seed(4);
  const Tensor logits = torch::randn({4, 3, 5});
  Trajectory t = make_rows(torch::randint(5, {4, 3}, torch::kInt64), torch::ones({4, 3}),
                           torch::tensor({1.F, 1.F, 0.F}).repeat({4, 1}), 5);
  t.reward = torch::randn({4, 3});
  const Reward token{{{"log_prob", -1.0, [](const Opinion& o) { return o.action_log_prob(); }}}};
  const auto gradient = [&](bool whole, bool each) {
    std::vector<Objective> objectives;
    if (whole) {
      const PolicyGradientOptions options{.clip = std::nullopt, .baseline = Baseline::batch};
      objectives.push_back({"whole", 1.0, std::make_unique<PolicyGradient>(options), {}});
    }
    if (each) {
      const PolicyGradientOptions options{
          .gamma = 0, .clip = std::nullopt, .baseline = Baseline::none};
      objectives.push_back({"each", 0.5, std::make_unique<PolicyGradient>(options), token});
    }
    Learner learner(std::make_shared<LogitsPolicy>(logits), std::move(objectives), {});
    learner.accumulate(learner.prepare(t));
    const Tensor found = learner.gradients()[0];
    const Metrics metrics = learner.step();
    EXPECT_EQ(metrics.contains("policy/whole/entropy"), whole && each);
    EXPECT_EQ(metrics.contains("policy/entropy"), whole != each);
    return found;
  };
  EXPECT_TRUE(
      gradient(true, true).allclose(gradient(true, false) + gradient(false, true), 1e-5, 1e-7));
}

// Who acted and who learns are one policy here, so that their probabilities of what was done are the same.
TEST(PolicyGradient, TellsHowFarTheActorIsFromTheLearner) {
  torch::manual_seed(6);
  const Tensor logits = torch::randn({2, 3, 5});
  Trajectory t = make_rows(torch::randint(5, {2, 3}, torch::kInt64), torch::ones({2, 3}),
                           torch::tensor({1.F, 1.F, 0.F}).repeat({2, 1}), 5);
  t.own.fill_(true);
  const Tensor taken = logits.log_softmax(-1).gather(-1, t.action.unsqueeze(-1)).squeeze(-1);
  const auto difference = [&](const Tensor& acted_by) {
    t.behavior_log_prob = acted_by;
    const PolicyGradientOptions options{.clip = std::nullopt, .baseline = Baseline::none};
    return learn(options, t, logits, {}, true).metrics.at("policy/log_prob_difference");
  };
  EXPECT_LT(difference(taken), 1e-6);
  EXPECT_NEAR(difference(taken - 0.25), 0.25, 1e-6);
}

struct FixedPrior : Prior {
  explicit FixedPrior(const Tensor& given) : log_probs(given) {}
  ActionSet judge(const Trajectory& t) const override {
    ActionSet set;
    set.prior_log_probs = log_probs.index_select(0, t.episode);
    return set;
  }
  Tensor log_probs;
};

// What is paid is what the learner's own judge says, not the one that judged what was collected.
TEST(PolicyGradient, IsPaidByTheJudgeOfItsLearner) {
  torch::manual_seed(7);
  const Tensor logits = torch::randn({3, 2, 4}), prior = torch::randn({3, 2, 4}).log_softmax(-1);
  const Trajectory t = make_rows(torch::randint(4, {3, 2}, torch::kInt64), torch::ones({3, 2}),
                                 torch::tensor({1.F, 0.F}).repeat({3, 1}), 4);
  const auto gradient = [&](const Trajectory& batch, std::shared_ptr<const Prior> judge) {
    std::vector<Objective> objectives;
    const Reward reward{
        {{"log_prior", 1.0, [](const Opinion& o) {
            return o.prior_log_probs().gather(-1, o.slot().clamp_min(0).unsqueeze(-1)).squeeze(-1);
          }}}};
    objectives.push_back({"pg", 1.0,
                          std::make_unique<PolicyGradient>(PolicyGradientOptions{
                              .clip = std::nullopt, .baseline = Baseline::none}),
                          reward});
    LearnerOptions options;
    options.judge = std::move(judge);
    Learner learner(std::make_shared<LogitsPolicy>(logits), std::move(objectives), options);
    learner.accumulate(learner.prepare(batch));
    return learner.gradients()[0];
  };
  const auto judge = std::make_shared<FixedPrior>(prior);
  const Tensor found = gradient(t, judge), expected = gradient(judge->judged(t), nullptr);
  EXPECT_GT(expected.abs().max().item<double>(), 1e-3);
  EXPECT_TRUE(found.allclose(expected, 1e-5, 1e-7));
}

TEST(PolicyGradient, ComparesTheRowsItLearnsFromAlone) {
  torch::manual_seed(5);
  const Tensor logits = torch::randn({4, 2, 3});
  Trajectory t = make_rows(torch::randint(3, {4, 2}, torch::kInt64), torch::ones({4, 2}),
                           torch::tensor({1.F, 0.F}).repeat({4, 1}), 3);
  t.reward = torch::full({4, 2}, 5.0);  // all alike: there is nothing to learn
  t.second = torch::tensor({true, false, true, false});
  std::vector<Objective> objectives;
  objectives.push_back({"pg",
                        1.0,
                        std::make_unique<PolicyGradient>(PolicyGradientOptions{
                            .clip = std::nullopt, .baseline = Baseline::batch}),
                        {},
                        Rows::kSecond});
  Learner learner(std::make_shared<LogitsPolicy>(logits), std::move(objectives), {});
  learner.accumulate(learner.prepare(t));
  EXPECT_LT(learner.gradients()[0].abs().max().item<double>(), 1e-6);
}

TEST(PolicyGradient, RefusesAPolicyWithoutValues) {
  const Episodes e;
  EXPECT_THROW(learn({}, e.t, e.logits, {}, true), std::invalid_argument);
}

TEST(PolicyGradient, RefusesOptionsOutOfRange) {
  for (const PolicyGradientOptions& options :
       {PolicyGradientOptions{.gamma = 1.1}, PolicyGradientOptions{.lambda = -1},
        PolicyGradientOptions{.clip = 0}, PolicyGradientOptions{.value_clip = -1},
        PolicyGradientOptions{.max_kl = 0}, PolicyGradientOptions{.importance_clip = 1},
        PolicyGradientOptions{.clip = std::nullopt, .importance_clip = 0},
        PolicyGradientOptions{.clip = std::nullopt, .importance_clip = 1},
        PolicyGradientOptions{.baseline = Baseline::group}, PolicyGradientOptions{.ratio = true},
        PolicyGradientOptions{.reward_clip = 0}, PolicyGradientOptions{.advantage_clip = -1},
        PolicyGradientOptions{.include_current = false},
        PolicyGradientOptions{.baseline = Baseline::batch, .length_normalized = true},
        PolicyGradientOptions{.gamma = 0, .baseline = Baseline::batch},
        PolicyGradientOptions{.group_size = 2}}) {
    EXPECT_THROW(PolicyGradient{options}, std::invalid_argument);
  }
}

}  // namespace
}  // namespace rl
