#include "rl/ops/returns.h"

#include <gmock/gmock.h>

#include "rl/check.h"
#include "rl/torch.h"
#include "tests/support/golden.h"

namespace rl::ops {
namespace {

using testing_support::golden_cases;
using testing_support::GoldenCase;

// What the fixtures call terminated and truncated, as discounts and last steps.
struct Row {
  explicit Row(const GoldenCase& golden)
      : reward(golden.input("rewards")),
        discount(golden.number("gamma", 1) *
                 (1 - golden.input("terminated").to(reward.scalar_type()))),
        last(golden.input("terminated").logical_or(golden.input("truncated"))),
        next_value(golden.input("next_values")) {}
  Tensor reward, discount, last, next_value;
};

TEST(DiscountedReturns, ReproduceTheGoldenCases) {
  for (const GoldenCase& golden : golden_cases("discounted_returns")) {
    const Row row(golden);
    golden.expect("returns",
                  discounted_returns(row.reward, row.discount, row.last,
                                     golden.flag("bootstrap", true) ? row.next_value : Tensor()));
  }
}

TEST(NStepReturns, ReproduceTheGoldenCases) {
  for (const GoldenCase& golden : golden_cases("n_step_returns")) {
    const Row row(golden);
    const NStepReturns found = n_step_returns(row.reward, row.discount, row.last, row.next_value,
                                              static_cast<int64_t>(golden.number("n", 1)));
    golden.expect("targets", found.target);
    EXPECT_TRUE(found.last_index.equal(golden.input("last_index"))) << golden.name();
  }
}

TEST(LambdaReturns, ReproduceTheGoldenCases) {
  for (const GoldenCase& golden : golden_cases("lambda_returns")) {
    const Row row(golden);
    golden.expect("returns", lambda_returns(row.reward, row.discount, row.last, row.next_value,
                                            golden.number("lambda", 1)));
  }
}

TEST(GeneralizedAdvantage, ReproducesTheGoldenCases) {
  for (const GoldenCase& golden : golden_cases("gae")) {
    const Row row(golden);
    const Advantages found =
        generalized_advantage(row.reward, row.discount, row.last, golden.input("values"),
                              row.next_value, golden.number("lambda", 1));
    golden.expect("advantages", found.advantage);
    golden.expect("returns", found.target);
  }
}

TEST(Vtrace, ReproducesTheGoldenCases) {
  for (const GoldenCase& golden : golden_cases("vtrace")) {
    const Tensor value = golden.input("values"), discount = golden.input("discounts");
    const Tensor next_value =
        torch::cat({value.slice(1, 1), golden.input("bootstrap_value").unsqueeze(1)}, 1);
    // Rows of one episode or, where the discount is 0, of several: nothing else is cut.
    const Advantages found =
        vtrace(golden.input("target_log_probs") - golden.input("behaviour_log_probs"),
               golden.input("rewards"), discount, torch::zeros_like(discount), value, next_value,
               {.rho_bar = golden.number("rho_bar", 1),
                .c_bar = golden.number("c_bar", 1),
                .policy_rho_bar = golden.number("rho_bar_policy", 1),
                .lambda = golden.number("lambda", 1)});
    golden.expect("vs", found.target);
    golden.expect("policy_advantages", found.advantage);
  }
}

struct Steps {
  Tensor reward = torch::tensor({{1.F, 2.F, 3.F}});
  Tensor discount = torch::tensor({{.5F, .5F, .5F}});
  Tensor last = torch::tensor({{0, 0, 0}});
  Tensor value = torch::tensor({{7.F, 8.F, 16.F}});
  Tensor next_value = torch::tensor({{8.F, 16.F, 32.F}});
};

TEST(DiscountedReturns, BootstrapAtTheEndOfTheRow) {
  const Steps s;
  EXPECT_TRUE(discounted_returns(s.reward, s.discount, s.last, s.next_value)
                  .equal(torch::tensor({{1 + .5F * (2 + .5F * (3 + 16)), 2 + .5F * 19, 19.F}})));
  EXPECT_TRUE(discounted_returns(s.reward, s.discount, s.last)
                  .equal(torch::tensor({{1 + .5F * (2 + .5F * 3), 3.5F, 3.F}})));
}

TEST(DiscountedReturns, AnEndPaysNothingMoreAndACutBootstraps) {
  Steps s;
  s.last = torch::tensor({{0, 1, 0}});
  EXPECT_FLOAT_EQ(
      discounted_returns(s.reward, s.discount, s.last, s.next_value)[0][0].item<float>(),
      1 + .5F * (2 + .5F * 16));
  s.discount = torch::tensor({{.5F, 0.F, .5F}});
  EXPECT_FLOAT_EQ(
      discounted_returns(s.reward, s.discount, s.last, s.next_value)[0][0].item<float>(), 2);
}

TEST(NStepReturns, OfOneStepAreTdTargetsAndOfManyAreDiscountedReturns) {
  const Steps s;
  EXPECT_TRUE(n_step_returns(s.reward, s.discount, s.last, s.next_value, 1)
                  .target.equal(s.reward + s.discount * s.next_value));
  EXPECT_TRUE(n_step_returns(s.reward, s.discount, s.last, s.next_value, 99)
                  .target.equal(discounted_returns(s.reward, s.discount, s.last, s.next_value)));
}

TEST(LambdaReturns, AreAdvantagesPlusValues) {
  const Steps s;
  const Advantages found =
      generalized_advantage(s.reward, s.discount, s.last, s.value, s.next_value, .7);
  EXPECT_TRUE(lambda_returns(s.reward, s.discount, s.last, s.next_value, .7)
                  .allclose(found.advantage + s.value));
}

TEST(Vtrace, OfAnUnchangedPolicyHasLambdaReturnsForTargets) {
  Steps s;
  s.last = torch::tensor({{0, 1, 0}});
  const Advantages found = vtrace(torch::zeros({1, 3}), s.reward, s.discount, s.last, s.value,
                                  s.next_value, {.lambda = .7});
  EXPECT_TRUE(
      found.target.allclose(lambda_returns(s.reward, s.discount, s.last, s.next_value, .7)));
}

TEST(Returns, WorkOnRowsOfOneStep) {
  const Tensor one = torch::ones({2, 1}), none = torch::zeros({2, 1}, torch::kBool);
  EXPECT_TRUE(discounted_returns(one, one, none, one).equal(2 * one));
  EXPECT_TRUE(n_step_returns(one, one, none, one, 3).target.equal(2 * one));
  EXPECT_TRUE(generalized_advantage(one, one, none, one, one, .9).advantage.equal(one));
}

TEST(Returns, AreConstants) {
  const Steps s;
  const Tensor next = s.next_value.clone().requires_grad_();
  EXPECT_FALSE(lambda_returns(s.reward, s.discount, s.last, next, .5).requires_grad());
}

TEST(Returns, RefuseWrongShapesAndRanges) {
  const Steps s;
  const Tensor short_row = torch::zeros({1, 2});
  EXPECT_THROW(discounted_returns(s.reward, short_row, s.last), ShapeError);
  EXPECT_THROW(discounted_returns(s.reward, s.discount, short_row), ShapeError);
  EXPECT_THROW(lambda_returns(s.reward, s.discount, s.last, short_row, .5), ShapeError);
  EXPECT_THROW(lambda_returns(s.reward, s.discount, s.last, s.next_value, 1.1),
               std::invalid_argument);
  EXPECT_THROW(n_step_returns(s.reward, s.discount, s.last, s.next_value, 0),
               std::invalid_argument);
  EXPECT_THROW(generalized_advantage(s.reward, s.discount, s.last, s.value, s.next_value, -.1),
               std::invalid_argument);
  EXPECT_THROW(vtrace(short_row, s.reward, s.discount, s.last, s.value, s.next_value, {}),
               ShapeError);
  EXPECT_THROW(vtrace(s.reward, s.reward, s.discount, s.last, s.value, s.next_value, {.c_bar = 0}),
               std::invalid_argument);
}

}  // namespace
}  // namespace rl::ops
