#include "rl/ops/inverse_bellman.h"

#include <gmock/gmock.h>

#include "rl/ops/masked.h"
#include "rl/ops/returns.h"
#include "rl/ops/value.h"
#include "rl/torch.h"
#include "rl/trajectory.h"
#include "tests/support/golden.h"

namespace rl::ops {
namespace {

using testing_support::golden_cases;
using testing_support::GoldenCase;

Tensor value_of(const GoldenCase& golden, const Tensor& z) {
  const std::string kind = golden.text("value");
  if (kind == "hard") return greedy_value(z);
  if (kind == "softmax_expectation") return softmax_value(z);
  return soft_value(z, {}, golden.number("entropy_temperature", 1));
}

void check(const std::string& objective) {
  for (const GoldenCase& golden : golden_cases(objective)) {
    const Tensor raw = golden.input("teacher_logits"), mask = golden.input("mask");
    const Tensor z = golden.flag("centre", false) ? raw - raw.mean(-1, true) : raw;
    const Tensor ids = golden.input("tokens"), discount = golden.input("discounts");
    const Tensor q = z.gather(-1, ids.unsqueeze(-1)).squeeze(-1);
    const Tensor value = value_of(golden, z);
    const Tensor reward = masked(inverse_bellman_rewards(q, value, discount), mask);
    golden.expect("rewards", reward);
    const Tensor last = next_column(mask).eq(0);
    const Tensor returns = masked(discounted_returns(reward, torch::ones_like(reward), last), mask);
    golden.expect("returns", returns);
  }
}

TEST(InverseBellman, ReproducesTheGoldenHardRewards) { check("inverse_bellman"); }
TEST(InverseBellman, ReproducesTheGoldenSoftRewards) { check("endogenous_reward"); }

// Worked numbers E8.
struct Answer {
  Tensor z = torch::tensor({{{2.F, 1.F, 0.F, -1.F}, {.5F, 1.5F, 0.F, 0.F}, {0.F, 0.F, .5F, 2.5F}}});
  Tensor ids = torch::tensor({{0, 1, 3}});
  Tensor discount = torch::tensor({{1.F, 1.F, 0.F}});
  Tensor last = torch::tensor({{0, 0, 1}});
  static Tensor taken(const Tensor& q, const Tensor& ids) {
    return q.gather(-1, ids.unsqueeze(-1)).squeeze(-1);
  }
  Tensor rewards(const Tensor& q, const Tensor& value) const {
    return inverse_bellman_rewards(taken(q, ids), value, discount);
  }
};

void expect_row(const Tensor& found, const std::vector<float>& expected) {
  EXPECT_TRUE(found.allclose(torch::tensor(expected).unsqueeze(0), 1e-5, 2e-6)) << found;
}

TEST(InverseBellman, PaysHardAndSoftRewards) {
  const Answer e;
  expect_row(e.rewards(e.z, greedy_value(e.z)), {.5F, -1.F, 2.5F});
  expect_row(e.rewards(e.z, soft_value(e.z)), {-.095611F, -1.261984F, 2.5F});
  const Tensor centred = e.z - e.z.mean(-1, true);
  const Tensor hard = e.rewards(centred, greedy_value(centred));
  expect_row(hard, {.5F, -.75F, 1.75F});
  expect_row(discounted_returns(hard, e.discount, e.last), {1.5F, 1.F, 1.75F});
  expect_row(e.rewards(centred, softmax_value(centred)), {1.071770F, -.225881F, 1.75F});
}

TEST(InverseBellman, OfSoftValuesSumsToTheValueAndTheLogLikelihood) {
  const Answer e;
  for (const double entropy : {1.0, 0.5}) {
    const Tensor value = soft_value(e.z, {}, entropy);
    const Tensor likelihood = Answer::taken((e.z / entropy).log_softmax(-1), e.ids).sum();
    EXPECT_NEAR(e.rewards(e.z, value).sum().item<double>(),
                (value[0][0] + entropy * likelihood).item<double>(), 1e-5);
  }
  EXPECT_NEAR(e.rewards(e.z, soft_value(e.z)).sum().item<double>(), 1.142405, 1e-5);
}

// The level of the logits moves undiscounted returns by what depends on the state alone.
TEST(InverseBellman, OfAnotherGaugeMovesReturnsByItsShift) {
  const Answer e;
  const Tensor shift = torch::tensor({{3.F, -1.F, 2.F}});
  const Tensor moved = e.z + shift.unsqueeze(-1);
  const Tensor before = e.rewards(e.z, greedy_value(e.z));
  const Tensor after = e.rewards(moved, greedy_value(moved));
  EXPECT_TRUE(discounted_returns(after, e.discount, e.last)
                  .allclose(discounted_returns(before, e.discount, e.last) + shift, 1e-5, 1e-5));
}

TEST(BlockRewards, OfOneStepAreInverseBellmanRewards) {
  const Answer e;
  const Tensor q = Answer::taken(e.z, e.ids), value = greedy_value(e.z);
  EXPECT_TRUE(block_rewards(q, value, e.discount, e.last, 1)
                  .equal(inverse_bellman_rewards(q, value, e.discount)));
}

// The first block of E8: Q(s_0, a_0) - max Q(s_2) = -0.5; then the last step's own.
TEST(BlockRewards, SumToTheReturnOfBlocks) {
  const Answer e;
  const Tensor q = Answer::taken(e.z, e.ids), value = greedy_value(e.z);
  const Tensor paid = block_rewards(q, value, e.discount, e.last, 2);
  expect_row(discounted_returns(paid, e.discount, e.last), {-.5F + 2.5F, 1.5F, 2.5F});
}

// By the equation, step by step: rows that end, that are cut, that are short, with a discount.
TEST(BlockRewards, FollowTheirRecursion) {
  torch::manual_seed(1);
  const int64_t rows = 4, steps = 7;
  const Tensor q = torch::randn({rows, steps}), value = torch::randn({rows, steps});
  const std::vector<int64_t> lengths = {6, 4, 1, 3};
  const std::vector<bool> cut = {true, false, false, true};
  Tensor discount = torch::zeros({rows, steps}), last = torch::ones({rows, steps});
  for (int64_t b = 0; b < rows; ++b) {
    const int64_t n = lengths[static_cast<size_t>(b)];
    discount[b].narrow(0, 0, n).fill_(0.9);
    if (!cut[static_cast<size_t>(b)]) discount[b][n - 1] = 0;
    last[b].narrow(0, 0, n - 1).fill_(0);
  }
  for (const int64_t k : {1, 2, 3, 10}) {
    const Tensor found =
        discounted_returns(block_rewards(q, value, discount, last, k), discount, last);
    for (int64_t b = 0; b < rows; ++b) {
      const int64_t n = lengths[static_cast<size_t>(b)];
      for (int64_t t = n - 1; t >= 0; --t) {
        double expected = 0, factor = 1;
        for (int64_t at = t; at < n; at += k) {
          const int64_t to = std::min(at + k, n);
          double product = factor;
          for (int64_t i = at; i < to; ++i) product *= discount[b][i].item<double>();
          const double reached = product == 0 ? 0 : value[b][to].item<double>();
          expected += factor * q[b][at].item<double>() - product * reached;
          factor = product;
        }
        EXPECT_NEAR(found[b][t].item<double>(), expected, 1e-5) << k << " " << b << " " << t;
      }
    }
  }
}

TEST(BlockRewards, RefuseNoSteps) {
  const Tensor x = torch::zeros({1, 1});
  EXPECT_THROW(block_rewards(x, x, x, x, 0), std::invalid_argument);
}

}  // namespace
}  // namespace rl::ops
