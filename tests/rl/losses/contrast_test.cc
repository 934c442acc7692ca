#include "rl/losses/contrast.h"

#include <gmock/gmock.h>

#include <cmath>

#include "rl/checkpoint.h"
#include "rl/compared.h"
#include "rl/learner.h"
#include "rl/ops/masked.h"
#include "rl/torch.h"
#include "tests/support/golden.h"
#include "tests/toy/readout_policy.h"

namespace rl {
namespace {

using ops::masked;
using testing_support::golden_cases;
using testing_support::GoldenCase;

Tensor row(std::vector<double> values) { return torch::tensor(std::move(values), torch::kFloat64); }

Tensor row_means(const Tensor& values, const Tensor& mask) {
  return masked(values, mask).sum(-1) / mask.sum(-1);
}

// DL2-1 of the notes.
TEST(Contrast, MatchesNumbersWorkedByHand) {
  const auto pair = [](std::vector<double> p, std::vector<double> q) {
    return std::pair(row(std::move(p)).log(), row(std::move(q)).log());
  };
  const auto [p0, q0] = pair({.7, .2, .1}, {.5, .25, .25});
  const auto [p1, q1] = pair({.6, .3, .1}, {.4, .4, .2});
  const auto [p2, q2] = pair({.1, .8, .1}, {.5, .3, .2});
  const double skl = (ops::skew_kl(p0, q0, .1) + ops::skew_kl(p1, q1, .1)).item<double>() / 2;
  const double srkl = ops::skew_reverse_kl(p2, q2, .1, true).item<double>();
  EXPECT_NEAR(skl, .076578, 1e-6);
  EXPECT_NEAR(srkl, .481163, 1e-6);
  EXPECT_NEAR(skl + srkl, .557741, 1e-6);
  EXPECT_NEAR(.5 * (.5 * skl + .5 * srkl), .139435, 1e-6);
}

TEST(Contrast, SkewsLessWhereTheTwoDifferMoreThanUsual) {
  const double gap = .648074 - .447214;
  EXPECT_NEAR(Contrast::skew(row({gap}), .150, .1).item<double>(), .1, 1e-12);
  EXPECT_NEAR(Contrast::skew(row({gap}), .205, .1).item<double>(), .081498, 1e-5);
  EXPECT_NEAR(Contrast::skew(row({.5 - .1}), .42, .1).item<double>(), .055024, 1e-5);
  EXPECT_NEAR(Contrast::skew(row({.01}), .42, .1).item<double>(), .01, 1e-12);
}

// float[B] of exp(mean log-probability of the tokens taken).
Tensor confidence(const Tensor& log_probs, const Tensor& tokens, const Tensor& mask) {
  return row_means(log_probs.gather(-1, tokens.unsqueeze(-1)).squeeze(-1), mask).exp();
}

TEST(Contrast, ReproducesTheGoldenPairs) {
  for (const GoldenCase& golden : golden_cases("distillm2")) {
    const Tensor z = golden.variable("student_logits");
    const Tensor own = golden.variable("rejected_student_logits");
    const double largest = golden.number("alpha", 0), weight = golden.number("weight", 0);
    const auto side = [&](const std::string& prefix, const Tensor& logits, bool chosen) {
      const Tensor log_p = golden.input(prefix + "teacher_logits").log_softmax(-1);
      const Tensor log_q = logits.log_softmax(-1);
      const Tensor tokens = golden.input(prefix + "tokens"), mask = golden.input(prefix + "mask");
      Tensor alpha = torch::full({mask.size(0)}, largest, logits.options());
      if (golden.flag("adaptive", false)) {
        const Tensor difference =
            confidence(log_p, tokens, mask) - confidence(log_q.detach(), tokens, mask);
        const double mean = golden.number(chosen ? "reference_chosen" : "reference_rejected", 0);
        alpha = Contrast::skew(chosen ? difference : -difference, mean, largest);
      }
      golden.expect(chosen ? "alpha_chosen" : "alpha_rejected", alpha);
      const Tensor everywhere = alpha.unsqueeze(-1).expand_as(mask);
      const Tensor values = chosen ? ops::skew_kl(log_p, log_q, everywhere)
                                   : ops::skew_reverse_kl(log_p, log_q, everywhere,
                                                          golden.text("mixture") == "detached");
      return row_means(values, mask);
    };
    const Tensor chosen = side("", z, true), rejected = side("rejected_", own, false);
    golden.expect("chosen_per_sequence", chosen);
    golden.expect("rejected_per_sequence", rejected);
    const bool as_in_code = golden.text("form") == "code";
    const Tensor loss = as_in_code ? ((2 - weight) * chosen + weight * rejected).mean()
                                   : (.5 * ((1 - weight) * chosen + weight * rejected)).mean();
    golden.expect("loss", loss);
    golden.expect_gradients(loss, {{"student_logits", z}, {"rejected_student_logits", own}});
  }
}

TEST(SkewKl, OfAShareOfEachStateIsThatOfOneNumberWhereTheyAgree) {
  torch::manual_seed(1);
  const Tensor log_p = torch::randn({5, 7}, torch::kFloat64).log_softmax(-1);
  const Tensor log_q = torch::randn({5, 7}, torch::kFloat64).log_softmax(-1);
  const Tensor alpha = torch::full({5}, .2, torch::kFloat64);
  EXPECT_TRUE(ops::skew_kl(log_p, log_q, alpha).allclose(ops::skew_kl(log_p, log_q, .2)));
  EXPECT_TRUE(ops::skew_reverse_kl(log_p, log_q, alpha, true)
                  .allclose(ops::skew_reverse_kl(log_p, log_q, .2, true)));
}

Objective side(const ContrastOptions& options, Rows rows) {
  const RewardTerm term = [](const Opinion& opinion) {
    const auto found = compared(opinion, ops::Tail::lump);
    const Tensor* alpha = opinion.note(kSkewNote);
    const Tensor share = alpha != nullptr ? *alpha : torch::full({opinion.action().size(0)}, .1);
    return ops::skew_kl(found.log_p, found.log_q, share, found.log_p_tail, found.log_q_tail);
  };
  return {.name = options.by_prior ? "first" : "second",
          .loss = std::make_unique<Contrast>(options),
          .reward = {{{"skew", -1, term}}},
          .rows = rows};
}

Learner make_learner(const ContrastOptions& options, int64_t micro_batch_tokens = 8192) {
  ContrastOptions other = options;
  other.by_prior = false;
  std::vector<Objective> objectives;
  objectives.push_back(side(options, Rows::kFirst));
  objectives.push_back(side(other, Rows::kSecond));
  LearnerOptions learner;
  learner.average = Average::kRows;
  learner.micro_batch_tokens = micro_batch_tokens;
  return Learner(std::make_shared<toy::ReadoutPolicy>(8, 12, 1), std::move(objectives), learner);
}

Trajectory make_pairs(uint64_t seed) {
  Trajectory batch = toy::make_batch(6, 3, 12, seed, false);
  batch.second = torch::arange(6) >= 3;
  return batch;
}

Metrics learn(Learner& learner, uint64_t seed, double progress) {
  learner.accumulate(learner.prepare(make_pairs(seed)));
  return learner.step(progress);
}

TEST(Contrast, FollowsItsFactor) {
  ContrastOptions options;
  options.factor = [](double progress) { return 1 + progress; };
  Learner once = make_learner({}), twice = make_learner(options);
  learn(twice, 2, 1.0);
  learn(once, 2, 1.0);
  // The first update still had the factor at 0.
  const Trajectory batch = make_pairs(3);
  once.accumulate(batch);
  twice.accumulate(batch);
  EXPECT_TRUE((2 * once.gradients()[0]).allclose(twice.gradients()[0], 1e-4, 1e-6));
}

TEST(Contrast, ChangesItsSkewOnceItKnowsTheUsualGap) {
  Learner constant = make_learner({}), adaptive = make_learner({.largest_skew = .1});
  EXPECT_EQ(learn(constant, 2, 0).at("policy/loss/first"),
            learn(adaptive, 2, 0).at("policy/loss/first"));
  EXPECT_NE(learn(constant, 3, 0).at("policy/loss/first"),
            learn(adaptive, 3, 0).at("policy/loss/first"));
}

TEST(Contrast, GoesOnFromWhereItWasSaved) {
  const ContrastOptions options{.largest_skew = .3};
  Learner whole = make_learner(options), before = make_learner(options),
          after = make_learner(options);
  for (Learner* learner : {&whole, &before}) learn(*learner, 2, .25);
  State state;
  before.save(state);
  after.load(state);
  EXPECT_EQ(learn(whole, 3, .5), learn(after, 3, .5));
}

TEST(Contrast, DoesNotDependOnHowTheBatchIsCut) {
  Learner whole = make_learner({.largest_skew = .3}), parts = make_learner({.largest_skew = .3}, 2);
  learn(whole, 2, 0);
  learn(parts, 2, 0);
  for (Learner* learner : {&whole, &parts}) learner->accumulate(learner->prepare(make_pairs(3)));
  EXPECT_TRUE(whole.gradients()[0].allclose(parts.gradients()[0], 1e-3, 1e-5));
}

TEST(Contrast, RefusesASkewOutOfRange) {
  EXPECT_THROW(Contrast({.largest_skew = 0.001}), std::invalid_argument);
  EXPECT_THROW(Contrast({.largest_skew = 1.0}), std::invalid_argument);
}

}  // namespace
}  // namespace rl
