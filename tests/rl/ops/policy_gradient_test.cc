#include "rl/ops/policy_gradient.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "rl/check.h"
#include "rl/opinion.h"
#include "rl/ops/masked.h"
#include "rl/torch.h"
#include "tests/support/golden.h"

namespace rl::ops {
namespace {

using testing_support::golden_cases;
using testing_support::GoldenCase;

TEST(Ppo, ReproducesTheGoldenCases) {
  const std::map<std::string, Normalization> normalizations = {
      {"none", Normalization::none},
      {"sample", Normalization::sample},
      {"population", Normalization::population}};
  for (const GoldenCase& golden : golden_cases("ppo")) {
    const Tensor logits = golden.variable("action_logits");
    const Tensor value = golden.variable("values");
    const Tensor mask = golden.input("mask");
    const Tensor old = golden.input("old_log_probs");
    const double clip = golden.number("clip", 0);
    const Tensor log_probs = torch::log_softmax(logits, -1);
    const Tensor log_prob = log_probs.gather(-1, golden.input("actions").unsqueeze(-1)).squeeze(-1);

    const Tensor advantage = normalized_advantage(
        golden.input("advantages"), mask, normalizations.at(golden.text("normalise_advantages")));
    std::optional<double> value_clip;
    if (!golden.params().at("value_clip").is_null()) value_clip = golden.number("value_clip", 0);
    const Tensor policy_part = masked_mean(clipped_surrogate(log_prob, old, advantage, clip), mask);
    const Tensor value_part =
        masked_mean(value_loss(value, golden.input("returns"), golden.number("value_loss_scale", 1),
                               golden.input("old_values"), value_clip),
                    mask);
    const Tensor entropy_part = masked_mean(Opinion(logits, {}, {}).entropy(), mask);
    const Tensor loss = policy_part + golden.number("value_coefficient", 1) * value_part -
                        golden.number("entropy_coefficient", 0) * entropy_part;

    golden.expect("advantages_used", advantage);
    golden.expect("loss_policy", policy_part);
    golden.expect("loss_value", value_part);
    golden.expect("entropy", entropy_part);
    golden.expect("approximate_kl", masked_mean(approximate_kl(log_prob, old), mask));
    golden.expect("clip_fraction", masked_mean(is_clipped(log_prob, old, clip), mask));
    golden.expect("loss", loss);
    golden.expect_gradients(loss, {{"action_logits", logits}, {"values", value}});
  }
}

TEST(GroupAdvantages, ReproduceTheGoldenCases) {
  for (const GoldenCase& golden : golden_cases("group_advantages")) {
    const Tensor reward = golden.input("rewards"), group = golden.input("groups");
    const std::string kind = golden.text("kind");
    const std::string std = golden.params().value("std", "none");
    const Normalization normalization = std == "sample"       ? Normalization::sample
                                        : std == "population" ? Normalization::population
                                                              : Normalization::none;
    golden.expect("advantages", kind == "grpo"   ? group_advantages(reward, group, normalization,
                                                                    golden.number("std_eps", 0))
                                : kind == "rloo" ? leave_one_out_advantages(reward, group)
                                                 : whitened_advantages(reward, normalization));
  }
}

TEST(GroupAdvantages, OfEqualRewardsAreZeroAndOfOneAloneToo) {
  const Tensor reward = torch::tensor({2.F, 2.F, 5.F}), group = torch::tensor({7, 7, 1});
  for (const Normalization n : {Normalization::sample, Normalization::population}) {
    EXPECT_TRUE(group_advantages(reward, group, n).equal(torch::zeros({3})));
  }
}

TEST(Reinforce, HasTheGradientOfTheScore) {
  const Tensor log_prob = torch::tensor({-1.F, -2.F}).requires_grad_();
  const Tensor advantage = torch::tensor({3.F, -4.F}).requires_grad_();
  const Tensor loss = reinforce(log_prob, advantage);
  EXPECT_TRUE(loss.equal(torch::tensor({3.F, -8.F})));
  loss.sum().backward();
  EXPECT_TRUE(log_prob.grad().equal(torch::tensor({-3.F, 4.F})));
  EXPECT_FALSE(advantage.grad().defined());
}

TEST(ClippedSurrogate, StopsPushingBeyondTheClip) {
  const Tensor log_prob = torch::tensor({1.5F, .5F}).log().requires_grad_();
  const Tensor old = torch::zeros({2});
  clipped_surrogate(log_prob, old, torch::tensor({1.F, 1.F}), .2).sum().backward();
  EXPECT_TRUE(log_prob.grad().allclose(torch::tensor({0.F, -.5F})));
}

TEST(ClippedSurrogate, StartsAsReinforce) {
  const Tensor log_prob = torch::tensor({-1.F, -2.F}).requires_grad_();
  const Tensor advantage = torch::tensor({3.F, -4.F});
  clipped_surrogate(log_prob, log_prob, advantage, .2).sum().backward();
  EXPECT_TRUE(log_prob.grad().allclose(-advantage));
}

TEST(Entropy, IgnoresWhatIsImpossible) {
  const float none = -std::numeric_limits<float>::infinity();
  const Tensor logits = torch::tensor({{0.F, 0.F, none}, {1.F, none, none}}).requires_grad_();
  const Tensor found = Opinion(logits, {}, {}).entropy();
  EXPECT_TRUE(found.allclose(torch::tensor({std::log(2.F), 0.F})));
  found.sum().backward();
  EXPECT_TRUE(logits.grad().isfinite().all().item<bool>());
}

TEST(NormalizedAdvantage, OfEqualAdvantagesIsZero) {
  const Tensor advantage = torch::full({3}, 2.F);
  for (const Normalization n : {Normalization::sample, Normalization::population}) {
    EXPECT_TRUE(normalized_advantage(advantage, torch::ones({3}), n).equal(torch::zeros({3})));
  }
}

TEST(PolicyGradient, RefusesWrongShapesAndRanges) {
  const Tensor x = torch::zeros({2});
  EXPECT_THROW(clipped_surrogate(x, x, x, 0), std::invalid_argument);
  EXPECT_THROW(clipped_surrogate(x, torch::zeros({3}), x, .2), ShapeError);
  EXPECT_THROW(reinforce(x, torch::zeros({3})), ShapeError);
  EXPECT_THROW(value_loss(x, x, 1, x, -.1), std::invalid_argument);
  EXPECT_THROW(value_loss(x, x, 1, {}, .1), ShapeError);
  EXPECT_THROW(group_advantages(x, torch::zeros({3}), Normalization::none), ShapeError);
  EXPECT_THROW(leave_one_out_advantages(x, torch::tensor({1, 2})), std::invalid_argument);
}

}  // namespace
}  // namespace rl::ops
