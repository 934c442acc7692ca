#include "rl/losses/taid.h"

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

using testing_support::golden_cases;
using testing_support::GoldenCase;
using testing_support::largest_difference;

// TAID-1 of the notes.
TEST(Interpolation, MatchesNumbersWorkedByHand) {
  Interpolation now(InterpolationOptions{});
  const std::vector<double> losses = {2.0, 1.8, 1.7, 1.9};
  const std::vector<double> t = {.4, .4006, .4012, .4018};
  const std::vector<double> momentum = {0, .001, .00154556, .00035363};
  for (size_t i = 0; i < losses.size(); ++i) {
    now.updated(losses[i], static_cast<double>(i) / 1000);
    EXPECT_NEAR(now.t(), t[i], 1e-9);
    EXPECT_NEAR(now.momentum(), momentum[i], 1e-8);
  }
}

TEST(Interpolation, ReproducesTheGoldenSchedules) {
  for (const GoldenCase& golden : golden_cases("taid")) {
    if (!golden.has("losses")) continue;
    const bool adaptive = !golden.flag("disable_adaptive", false);
    Interpolation now({.first = golden.number("t_start", 0),
                       .last = golden.number("t_end", 0),
                       .rate = adaptive ? golden.number("alpha", 0) : 0,
                       .memory = golden.number("beta", 0)});
    const Tensor losses = golden.input("losses").to(torch::kFloat64);
    std::vector<double> t, momentum;
    for (int64_t i = 0; i < losses.size(0); ++i) {
      now.updated(losses[i].item<double>(),
                  static_cast<double>(i) / golden.number("total_steps", 1));
      t.push_back(now.t());
      momentum.push_back(now.momentum());
    }
    golden.expect("t", torch::tensor(t, torch::kFloat64));
    golden.expect("momentum", torch::tensor(momentum, torch::kFloat64));
  }
}

TEST(Interpolation, GoesOnFromWhereItWasSaved) {
  const InterpolationOptions options{.rate = 0.05, .memory = 0.6};
  Interpolation whole(options), before(options), after(options);
  for (Interpolation* now : {&whole, &before}) {
    now->updated(3, 0);
    now->updated(2, 0.1);
  }
  State state;
  before.save(state);
  after.load(state);
  for (Interpolation* now : {&whole, &after}) now->updated(1.5, 0.11);
  EXPECT_EQ(whole.t(), after.t());
  EXPECT_EQ(whole.momentum(), after.momentum());
}

TEST(Interpolation, RefusesWhatIsOutOfRange) {
  EXPECT_THROW(Interpolation({.first = 0.9, .last = 0.5}), std::invalid_argument);
  EXPECT_THROW(Interpolation({.last = 1.5}), std::invalid_argument);
  EXPECT_THROW(Interpolation({.rate = -1}), std::invalid_argument);
  EXPECT_THROW(Interpolation({.memory = 1}), std::invalid_argument);
}

TEST(InterpolatedCrossEntropy, MatchesNumbersWorkedByHand) {
  const Tensor log_p = torch::tensor({.7, .2, .1}, torch::kFloat64).log();
  const Tensor z = torch::tensor({.5, .25, .25}, torch::kFloat64).log().requires_grad_();
  const Tensor value = ops::interpolated_cross_entropy(log_p, z.log_softmax(-1), .4);
  value.backward();
  EXPECT_NEAR(value.item<double>(), .979195, 1e-6);
  EXPECT_LE(
      largest_difference(z.grad(), torch::tensor({-.087320, .015237, .072083}, torch::kFloat64)),
      1e-6);
}

TEST(InterpolatedCrossEntropy, ReproducesTheGoldenTaid) {
  for (const GoldenCase& golden : golden_cases("taid")) {
    if (golden.has("losses")) continue;
    const double t = golden.number("t", 0);
    const Tensor z = golden.variable("student_logits"), mask = golden.input("mask");
    const Tensor teacher = golden.input("teacher_logits");
    const Tensor values =
        ops::interpolated_cross_entropy(teacher.log_softmax(-1), z.log_softmax(-1), t);
    const Tensor loss = ops::masked_mean(values, mask);
    golden.expect("per_token", ops::masked(values, mask));
    golden.expect("loss", loss);
    golden.expect("loss_sequence_mean", ops::masked_sequence_mean(values, mask));
    const Tensor between = ((1 - t) * z.detach() + t * teacher).log_softmax(-1);
    const Tensor entropy = -(between.exp() * between).sum(-1);
    golden.expect("loss_kl_form", ops::masked_mean(values - entropy, mask));
    golden.expect_gradients(loss, {{"student_logits", z}});
  }
}

TEST(InterpolatedCrossEntropy, IsFiniteAtExtremeLogitsAndOnEmptySlots) {
  const float none = -std::numeric_limits<float>::infinity();
  const Tensor p = torch::tensor({{1e4F, -1e4F, none, 0.F}, {1.F, none, 0.F, none}});
  const Tensor z = torch::tensor({{-1e4F, 1e4F, none, none}, {1.F, 0.F, none, none}});
  for (const double t : {0., .4, 1.}) {
    const Tensor logits = z.clone().requires_grad_();
    const Tensor value =
        ops::interpolated_cross_entropy(p.log_softmax(-1), logits.log_softmax(-1), t);
    EXPECT_TRUE(value.isfinite().all().item<bool>());
    EXPECT_TRUE(torch::autograd::grad({value.sum()}, {logits})[0].isfinite().all().item<bool>());
  }
}

Learner make_learner(const InterpolationOptions& options, int64_t micro_batch_tokens = 8192) {
  std::vector<Objective> objectives;
  objectives.push_back({.name = "taid",
                        .loss = std::make_unique<Taid>(options,
                                                       [](const Opinion& opinion, double t) {
                                                         const auto found =
                                                             compared(opinion, ops::Tail::lump);
                                                         return ops::interpolated_cross_entropy(
                                                             found.log_p, found.log_q, t,
                                                             found.log_p_tail, found.log_q_tail);
                                                       }),
                        .reward = {}});
  LearnerOptions learner;
  learner.micro_batch_tokens = micro_batch_tokens;
  return Learner(std::make_shared<toy::ReadoutPolicy>(8, 12, 1), std::move(objectives), learner);
}

TEST(Taid, MovesItsTargetByItsOwnLoss) {
  const Trajectory batch = toy::make_batch(6, 3, 12, 2, false);
  Learner learner = make_learner({.first = 0.2, .rate = 0.5});
  std::vector<double> seen;
  for (int64_t i = 0; i < 4; ++i) {
    learner.accumulate(batch);
    const Metrics metrics = learner.step(static_cast<double>(i) / 1000);
    seen.push_back(metrics.at("policy/taid/t"));
    EXPECT_NEAR(metrics.at("policy/taid/cross_entropy"), metrics.at("policy/loss/taid"), 1e-6);
  }
  EXPECT_NEAR(seen[0], 0.2, 1e-6);
  EXPECT_NEAR(seen[1], 0.2, 1e-6) << "the first loss is only remembered";
  EXPECT_GT(seen[2], 0.3);
  EXPECT_GT(seen[3], seen[2]);
}

TEST(Taid, DoesNotDependOnHowTheBatchIsCut) {
  for (const bool reduced : {false, true}) {
    const Trajectory batch = toy::make_batch(6, 3, 12, 2, reduced);
    Learner whole = make_learner({}), parts = make_learner({}, 2);
    whole.accumulate(batch);
    parts.accumulate(batch);
    for (size_t i = 0; i < whole.gradients().size(); ++i) {
      EXPECT_TRUE(whole.gradients()[i].allclose(parts.gradients()[i], 1e-4, 1e-6));
    }
  }
}

}  // namespace
}  // namespace rl
