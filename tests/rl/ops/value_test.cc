#include "rl/ops/value.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "rl/check.h"
#include "rl/ops/masked.h"
#include "rl/torch.h"
#include "tests/support/golden.h"

namespace rl::ops {
namespace {

using testing_support::golden_cases;
using testing_support::GoldenCase;
using testing_support::largest_difference;

const double kInf = std::numeric_limits<double>::infinity();

#define EXPECT_TENSOR_NEAR(found, expected, tolerance) \
  EXPECT_LE(largest_difference(found, expected), tolerance) << found

Tensor tensor(std::vector<double> values) { return torch::tensor(values, torch::kFloat64); }

// ---- targets --------------------------------------------------------------------------------

void check_targets(const std::string& objective) {
  for (const GoldenCase& golden : golden_cases(objective)) {
    const std::string kind = golden.text("kind");
    const Tensor illegal = golden.input("next_legal").eq(0);
    const Tensor next = golden.input("next_target_q").masked_fill(illegal, -kInf);
    Tensor value;
    if (kind == "dqn") value = greedy_value(next);
    if (kind == "double") {
      value = double_greedy_value(golden.input("next_online_q").masked_fill(illegal, -kInf), next);
    }
    if (kind == "soft") value = soft_value(next, {}, golden.number("entropy_temperature", 1));
    const Tensor discount = std::pow(golden.number("gamma", 1), golden.number("n", 1)) *
                            (1 - golden.input("terminated").to(next.scalar_type()));
    const Tensor target = td_target(golden.input("rewards"), discount, value);
    const Tensor q = golden.variable("q");
    const Tensor error = q.gather(-1, golden.input("actions").unsqueeze(-1)).squeeze(-1) - target;
    const Tensor cost =
        golden.text("loss") == "mse" ? error.square() : huber(error, golden.number("delta", 1));
    const Tensor loss = (golden.has("weights") ? golden.input("weights") * cost : cost).mean();
    golden.expect("next_value", value);
    golden.expect("targets", target);
    golden.expect("td_error", error);
    golden.expect("loss", loss);
    golden.expect_gradients(loss, {{"q", q}});
  }
}

TEST(TdTarget, ReproducesTheGoldenDqnCases) { check_targets("dqn_targets"); }
TEST(TdTarget, ReproducesTheGoldenSoftCases) { check_targets("soft_q_targets"); }

TEST(TdTarget, ANextValueAfterAnEndHasNoInfluence) {
  EXPECT_TRUE(
      td_target(tensor({1, 1}), tensor({0, .5}), tensor({std::nan(""), 4})).equal(tensor({1, 3})));
}

TEST(Huber, IsQuadraticInsideAndLinearOutside) {
  EXPECT_TENSOR_NEAR(huber(tensor({-3, -.5, 0, 1}), 1), tensor({2.5, .125, 0, .5}), 1e-12);
  EXPECT_THROW(huber(tensor({1}), 0), std::invalid_argument);
}

// ---- state values ---------------------------------------------------------------------------

TEST(SoftValue, IgnoresEmptySlotsAndCountsTheTail) {
  const Tensor q = tensor({std::log(2.), -kInf, std::log(3.)});
  EXPECT_NEAR(soft_value(q).item<double>(), std::log(5.), 1e-12);
  EXPECT_NEAR(soft_value(q, tensor({std::log(5.)}).squeeze(0)).item<double>(), std::log(10.),
              1e-12);
}

TEST(SoftValue, OfNoActionIsMinusInfinityWithoutGradient) {
  const Tensor q = torch::tensor({{-kInf, -kInf}, {0., 1.}}, torch::kFloat64).requires_grad_();
  const Tensor value = soft_value(q);
  EXPECT_EQ(value[0].item<double>(), -kInf);
  value[1].backward();
  EXPECT_TRUE(q.grad().isfinite().all().item<bool>()) << q.grad();
  EXPECT_EQ(q.grad()[0].abs().sum().item<double>(), 0);
}

TEST(SoftValue, IsFiniteAtExtremeValues) {
  const Tensor q = torch::tensor({{1e4F, -1e4F}, {-1e4F, -1e4F}}).requires_grad_();
  const Tensor value = soft_value(q);
  EXPECT_TRUE(value.isfinite().all().item<bool>());
  value.sum().backward();
  EXPECT_TRUE(q.grad().isfinite().all().item<bool>());
}

TEST(SoftValue, RefusesATemperatureOutOfRange) {
  EXPECT_THROW(soft_value(tensor({1}), {}, 0), std::invalid_argument);
}

TEST(MeanValue, IsOverTheSlotsThatHoldAnAction) {
  EXPECT_EQ(mean_value(tensor({1, -kInf, 4})).item<double>(), 2.5);
}

TEST(DoubleGreedyValue, LetsTheOnlineValuesChoose) {
  EXPECT_EQ(double_greedy_value(tensor({1, 2}), tensor({9, 4})).item<double>(), 4);
}

// ---- gauge ----------------------------------------------------------------------------------

TEST(Gauged, ClipsAndKeepsEmptySlots) {
  const Tensor logits = tensor({3, -20, -kInf}).requires_grad_();
  const Tensor q = gauged(logits, tensor({3}).squeeze(0), -10);
  EXPECT_TRUE(q.equal(tensor({0, -10, -kInf})));
  q.narrow(0, 0, 2).sum().backward();
  EXPECT_TRUE(logits.grad().equal(tensor({1, 0, 0})));
}

TEST(Gauged, WithoutShiftOrClipIsRaw) {
  const Tensor logits = tensor({3, -20, -kInf});
  EXPECT_TRUE(gauged(logits, gauge_shift(Gauge::raw, {}, {}), std::nullopt).equal(logits));
}

TEST(GaugeShift, NeedsWhatItTakesOff) {
  EXPECT_THROW(gauge_shift(Gauge::max_shift, {}, tensor({1})), std::invalid_argument);
  EXPECT_THROW(gauge_shift(Gauge::log_softmax, tensor({1}), {}), std::invalid_argument);
}

// ---- temporal-difference distillation ------------------------------------------------------

struct DistillParams {
  Gauge gauge = Gauge::max_shift;
  std::optional<double> q_min = -10;
  bool lump = false, support = false;
  double alpha = 0.1;
  bool chi2 = true;
};

struct Distilled {
  TdDistillation parts;
  Tensor value;  // [B, T]
};

// From full logits to the loss: sets as ids [B, T, K], -1 where empty; the taken action is in its set
// or, with `lump`, is the tail.
Distilled distil(const Tensor& z, const Tensor& ids, const Tensor& taken, const Tensor& discount,
                 const Tensor& used, const DistillParams& params) {
  const int64_t actions = z.size(-1);
  const Tensor empty = ids.lt(0);
  auto sizes = z.sizes().vec();
  sizes.back() += 1;
  const Tensor inside = torch::zeros(sizes, torch::kBool)
                            .scatter(-1, ids.masked_fill(empty, actions), true)
                            .narrow(-1, 0, actions);
  const Tensor log_normalizer = z.logsumexp(-1);
  const Tensor shift = gauge_shift(params.gauge, std::get<0>(z.max(-1)), log_normalizer);
  const Tensor on_set = z.gather(-1, ids.clamp_min(0)).masked_fill(empty, -kInf);
  const Tensor q = gauged(on_set, shift, params.q_min);
  Tensor tail_q;
  if (params.lump) tail_q = gauged(soft_value(z.masked_fill(inside, -kInf)), shift, params.q_min);
  const Tensor value = soft_value(q, tail_q);

  const Tensor matches = ids.eq(taken.unsqueeze(-1));
  Tensor q_taken = q.masked_fill(matches.logical_not(), 0).sum(-1);
  if (params.lump) q_taken = torch::where(matches.any(-1), q_taken, tail_q);
  const Tensor support = params.support ? log_normalizer - on_set.logsumexp(-1) : Tensor();
  return {td_distillation(q_taken, value, support, discount, used,
                          {.alpha = params.alpha, .chi2 = params.chi2}),
          value};
}

TEST(TdDistillation, ReproducesTheGoldenCases) {
  const std::map<std::string, Gauge> gauges = {
      {"max_shift", Gauge::max_shift}, {"log_softmax", Gauge::log_softmax}, {"raw", Gauge::raw}};
  for (const GoldenCase& golden : golden_cases("bellman_distill")) {
    const Tensor z = golden.variable("student_logits");
    const Tensor taken = golden.input("tokens");
    Tensor ids = golden.input("action_set");
    Tensor used = golden.input("mask").to(torch::kBool);
    const Tensor found = ids.eq(taken.unsqueeze(-1)).any(-1);
    const std::string out_of_set = golden.text("out_of_set");
    if (out_of_set == "exclude") used = used.logical_and(found);
    if (out_of_set == "include") {
      ids = torch::cat({ids, taken.masked_fill(found, -1).unsqueeze(-1)}, -1);
    }
    DistillParams params;
    params.gauge = gauges.at(golden.text("gauge"));
    params.q_min.reset();
    if (!golden.params().at("q_min").is_null()) params.q_min = golden.number("q_min", 0);
    params.lump = golden.text("tail") == "lump";
    params.support = golden.text("tail") == "support";
    params.alpha = golden.number("alpha", 0);
    params.chi2 = golden.flag("chi2", true);

    const auto [parts, value] = distil(z, ids, taken, golden.input("discounts"), used, params);
    const Tensor loss = masked_mean(parts.loss, used);
    golden.expect("per_token", parts.loss);
    golden.expect("implied_reward", parts.implied_reward);
    golden.expect("loss", loss);
    golden.expect("loss_sequence_mean", masked_sequence_mean(parts.loss, used));
    golden.expect("loss_likelihood", masked_mean(parts.likelihood, used));
    golden.expect("loss_chi2", masked_mean(parts.chi2, used));
    golden.expect("loss_support", masked_mean(parts.support, used));
    golden.expect("used", used);
    golden.expect("values", value);
    golden.expect_gradients(loss, {{"student_logits", z}});
  }
}

TEST(TdDistillation, ReproducesTheGoldenIqLearnCases) {
  const std::map<std::string, Gauge> gauges = {
      {"max_shift", Gauge::max_shift}, {"log_softmax", Gauge::log_softmax}, {"raw", Gauge::raw}};
  for (const GoldenCase& golden : golden_cases("iq_learn")) {
    const Tensor mask = golden.input("mask"), discount = golden.input("discounts");
    const double e = golden.number("entropy_temperature", 1);
    const auto q_of = [&](const Tensor& z) {
      return gauged(
          z, gauge_shift(gauges.at(golden.text("gauge")), std::get<0>(z.max(-1)), z.logsumexp(-1)),
          std::nullopt);
    };
    const Tensor z = golden.variable("student_logits");
    const Tensor q = q_of(z), value = soft_value(q, {}, e);
    const Tensor reached = golden.has("target_logits")
                               ? soft_value(q_of(golden.input("target_logits")), {}, e)
                               : Tensor();
    const Tensor taken = q.gather(-1, golden.input("tokens").unsqueeze(-1)).squeeze(-1);
    const TdDistillation found = td_distillation(
        taken, value, {}, discount, mask,
        {.alpha = golden.number("alpha", 0), .chi2 = golden.flag("chi2", true)}, reached);
    Tensor loss = masked_mean(found.loss, mask);
    if (golden.text("value_term") == "initial") {
      const Tensor first = mask.argmax(1, /*keepdim=*/true);
      loss = masked_mean(found.chi2 - found.implied_reward, mask) +
             (1 - golden.number("gamma", 0)) * value.gather(1, first).mean();
    }
    golden.expect("loss", loss);
    golden.expect("implied_reward", found.implied_reward);
    golden.expect("loss_chi2", masked_mean(found.chi2, mask));
    golden.expect("values", masked(value, mask));
    golden.expect_if_stored("per_token", found.loss);
    golden.expect_gradients(loss, {{"student_logits", z}});
  }
}

// Three steps, four actions, worked by hand (E2 and E3 of the notes).
Tensor student() {
  return torch::tensor({1., 1.5, 0., -.5, 0., 1., .5, 0., .5, 0., 0., 1.5}, torch::kFloat64)
      .reshape({1, 3, 4})
      .clone()
      .requires_grad_();
}
const Tensor kTaken = torch::tensor({{0, 1, 3}});
const Tensor kTopP = torch::tensor({{{0, 1, -1}, {0, 1, 2}, {2, 3, -1}}});
const Tensor kTopK = torch::tensor({{{0, 1}, {1, 0}, {3, 2}}});

Tensor discounts() { return torch::tensor({{.99, .99, 0.}}, torch::kFloat64); }
Tensor all_used() { return torch::ones({1, 3}); }

TEST(TdDistillation, MatchesASequenceWorkedByHand) {
  const Tensor z = student();
  const auto [parts, value] = distil(z, kTopP, kTaken, discounts(), all_used(), {});
  EXPECT_TENSOR_NEAR(value[0], tensor({.474077, .680270, .201413}), 1e-6);
  EXPECT_TENSOR_NEAR(parts.implied_reward[0], tensor({-1.173467, -.199399, 0}), 1e-6);
  EXPECT_NEAR(parts.likelihood.mean().item<double>(), .618587, 1e-6);
  EXPECT_NEAR(parts.chi2.mean().item<double>(), 1.180654, 1e-6);
  EXPECT_NEAR(parts.loss.mean().item<double>(), 1.799241, 1e-6);
  parts.loss.mean().backward();
  EXPECT_TENSOR_NEAR(
      z.grad()[0],
      torch::stack({tensor({-2.163265, 2.163265, 0, 0}), tensor({.422872, -1.120069, .697198, 0}),
                    tensor({0, 0, .120828, -.120828})}),
      1e-6);
}

TEST(TdDistillation, WithoutChi2MatchesASequenceWorkedByHand) {
  const Tensor z = student();
  const auto [parts, value] = distil(z, kTopP, kTaken, discounts(), all_used(), {.chi2 = false});
  EXPECT_NEAR(parts.loss.mean().item<double>(), .618587, 1e-6);
  parts.loss.mean().backward();
  EXPECT_TENSOR_NEAR(
      z.grad()[0],
      torch::stack({tensor({-.207486, .207486, 0, 0}), tensor({.062108, -.164507, .102399, 0}),
                    tensor({0, 0, .060809, -.060809})}),
      1e-6);
}

TEST(TdDistillation, OnOtherSetsMatchesNumbersWorkedByHand) {
  const auto on = [](const Tensor& ids) {
    return distil(student(), ids, kTaken, discounts(), all_used(), {});
  };
  EXPECT_NEAR(on(kTopK).parts.loss.mean().item<double>(), 1.076308, 1e-6);
  const Distilled full = on(torch::arange(4).expand({1, 3, 4}));
  EXPECT_NEAR(full.parts.loss.mean().item<double>(), 2.666006, 1e-6);
  EXPECT_TENSOR_NEAR(full.value[0], tensor({.675490, .851129, .595611}), 1e-6);
}

TEST(TdDistillation, OnAllActionsWithoutChi2IsTheNegativeLogLikelihood) {
  const Tensor z = student();
  const auto [parts, value] = distil(z, torch::arange(4).expand({1, 3, 4}), kTaken, discounts(),
                                     all_used(), {.chi2 = false});
  const Tensor nll = -torch::log_softmax(z, -1).gather(-1, kTaken.unsqueeze(-1)).squeeze(-1);
  EXPECT_TENSOR_NEAR(parts.loss, nll, 1e-12);
}

TEST(TdDistillation, WithTheLogSoftmaxGaugeRewardsAreLogLikelihoods) {
  const Tensor z = student();
  const auto [parts, value] = distil(z, torch::arange(4).expand({1, 3, 4}), kTaken, discounts(),
                                     all_used(), {.gauge = Gauge::log_softmax});
  const Tensor log_prob = torch::log_softmax(z, -1).gather(-1, kTaken.unsqueeze(-1)).squeeze(-1);
  EXPECT_TENSOR_NEAR(value, torch::zeros_like(value), 1e-12);
  EXPECT_TENSOR_NEAR(parts.implied_reward, log_prob, 1e-12);
}

TEST(TdDistillation, BootstrapsAfterACutFromTheExtraColumn) {
  const Tensor q = tensor({-1, -2}).unsqueeze(0);
  const Tensor value = tensor({.5, .25, 4}).unsqueeze(0);
  const Tensor one = torch::ones({1, 2}, torch::kFloat64);
  const TdDistillation cut = td_distillation(q, value, {}, one, one, {});
  EXPECT_TENSOR_NEAR(cut.implied_reward[0], tensor({-1.25, -6}), 1e-12);
}

TEST(TdDistillation, WhatLiesOutsideTheMaskHasNoInfluence) {
  const Tensor q = torch::tensor({{-1., std::nan("")}}, torch::kFloat64).requires_grad_();
  const Tensor value = torch::tensor({{.5, kInf}}, torch::kFloat64).requires_grad_();
  const Tensor mask = torch::tensor({{1, 0}});
  const TdDistillation parts =
      td_distillation(q, value, {}, torch::zeros({1, 2}, torch::kFloat64), mask, {});
  EXPECT_TENSOR_NEAR(parts.loss[0], tensor({1.5 + 1 / .4, 0}), 1e-12);
  parts.loss.sum().backward();
  EXPECT_TENSOR_NEAR(q.grad()[0], tensor({-1 - 2 / .4, 0}), 1e-12);
  EXPECT_TENSOR_NEAR(value.grad()[0], tensor({1, 0}), 1e-12);
}

TEST(TdDistillation, RefusesWrongShapesAndRanges) {
  const Tensor x = torch::zeros({2, 3});
  EXPECT_THROW(td_distillation(x, torch::zeros({2, 5}), {}, x, x, {}), ShapeError);
  EXPECT_THROW(td_distillation(x, x, torch::zeros({2}), x, x, {}), ShapeError);
  EXPECT_THROW(td_distillation(x, x, {}, torch::zeros({2, 2}), x, {}), ShapeError);
  EXPECT_THROW(td_distillation(x, x, {}, x, x, {.alpha = 0}), std::invalid_argument);
}

}  // namespace
}  // namespace rl::ops
