#include "rl/ops/ranking.h"

#include <gmock/gmock.h>

#include <limits>
#include <numeric>

#include "rl/ops/divergence.h"
#include "rl/ops/masked.h"
#include "rl/torch.h"
#include "tests/support/golden.h"

namespace rl::ops {
namespace {

using testing_support::golden_cases;
using testing_support::GoldenCase;
using testing_support::largest_difference;

Tensor row(std::vector<double> values) {
  return torch::tensor(std::move(values), torch::kFloat64).unsqueeze(0);
}

Tensor ranks(const Tensor& values) {
  return soft_ranks(values, torch::ones_like(values, torch::kBool));
}

Tensor gradient(const Tensor& value, const Tensor& of) {
  return torch::autograd::grad({value.sum()}, {of})[0];
}

// Pool adjacent violators: the isotonic regression as it is usually written.
std::vector<double> pooled(const std::vector<double>& values) {
  std::vector<std::pair<double, int>> blocks;  // sum, length
  for (const double value : values) {
    blocks.push_back({value, 1});
    while (blocks.size() > 1) {
      const auto [sum, length] = blocks.back();
      auto& before = blocks[blocks.size() - 2];
      if (before.first / before.second > sum / length) break;
      before = {before.first + sum, before.second + length};
      blocks.pop_back();
    }
  }
  std::vector<double> fit;
  for (const auto& [sum, length] : blocks) fit.insert(fit.end(), length, sum / length);
  return fit;
}

std::vector<double> ranks_by_pooling(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] > values[b]; });
  std::vector<double> above;
  const auto n = static_cast<double>(values.size());
  for (size_t i = 0; i < order.size(); ++i) {
    above.push_back(values[order[i]] - (n - static_cast<double>(i)));
  }
  const std::vector<double> fit = pooled(above);
  std::vector<double> result(values.size());
  for (size_t i = 0; i < order.size(); ++i) result[order[i]] = values[order[i]] - fit[i];
  return result;
}

TEST(SoftRanks, MatchNumbersWorkedByHand) {
  EXPECT_LE(
      largest_difference(ranks(row({8, 0, 5, 3, 2, 1, 6, 7, 9})), row({8, 1, 5, 4, 3, 2, 6, 7, 9})),
      1e-12);
  EXPECT_LE(largest_difference(ranks(row({3, 2.5, 1})), row({2.75, 2.25, 1})), 1e-12);
  EXPECT_LE(largest_difference(ranks(row({3.0, 2.5, 1.0, -1.0})), row({3.75, 3.25, 2, 1})), 1e-12);
  EXPECT_LE(largest_difference(ranks(row({2.2, 2.6, .5, .9})), row({3.15, 3.55, 1.45, 1.85})),
            1e-12);
}

TEST(SoftRanks, AreHardAndWithoutGradientWhereValuesAreAUnitApart) {
  const Tensor values = row({5, 3, 1}).requires_grad_();
  const Tensor found = ranks(values);
  EXPECT_LE(largest_difference(found, row({3, 2, 1})), 1e-12);
  EXPECT_LE(gradient(found * row({1, 10, 100}), values).abs().max().item<double>(), 1e-12);
}

TEST(SoftRanks, EqualThoseOfPooledViolators) {
  torch::manual_seed(1);
  for (int64_t i = 0; i < 50; ++i) {
    const Tensor values = torch::randn({1, 1 + i % 12}, torch::kFloat64) * (i % 5 + .2);
    const std::vector<double> given(values.data_ptr<double>(),
                                    values.data_ptr<double>() + values.numel());
    EXPECT_LE(largest_difference(ranks(values), row(ranks_by_pooling(given))), 1e-10);
  }
}

// A block of pooled values moves together: gradient minus its mean over the block.
TEST(SoftRanks, HaveTheGradientOfTheirBlocks) {
  const Tensor values = row({3, 2.5, 1}).requires_grad_();
  EXPECT_LE(largest_difference(gradient(ranks(values) * row({1, 3, 7}), values), row({-1, 1, 0})),
            1e-12);
}

TEST(SoftRanks, LeaveOutWhatDoesNotCount) {
  const Tensor values = row({100, 3, 2.5, 1, -50});
  const Tensor valid = torch::tensor({{false, true, true, true, false}});
  EXPECT_LE(largest_difference(soft_ranks(values, valid), row({0, 2.75, 2.25, 1, 0})), 1e-12);
}

// RK-1 of the notes.
TEST(RankDisagreement, MatchesNumbersWorkedByHand) {
  const Tensor p = row({3.0, 2.5, 1.0, -1.0, -2.0});
  const Tensor z = row({2.2, 2.6, .5, .9, -1.5}).requires_grad_();
  const Union among = union_of_top(p, z, 3);
  EXPECT_NEAR(among.overlap.item<double>(), 2. / 3, 1e-6);
  EXPECT_EQ(among.valid.sum().item<int64_t>(), 4);
  const Tensor rank = rank_disagreement(p, z, among);
  EXPECT_NEAR(rank.item<double>(), .174616, 1e-6);
  EXPECT_LE(largest_difference(gradient(rank, z), row({-.156915, .084459, -.151022, .223478, 0})),
            1e-6);
  const double kl = forward_kl(p.log_softmax(-1), z.log_softmax(-1)).item<double>();
  EXPECT_NEAR(2 * rank.item<double>() + kl, .504284, 1e-6);
  EXPECT_NEAR(2 * rank.item<double>() + 2. / 3 * kl, .452600, 1e-6);
}

TEST(RankDisagreement, IsFiniteWhereThereIsNothingToOrder) {
  const double none = -std::numeric_limits<double>::infinity();
  for (const Tensor& given : {row({1, 1, 1, 1}), row({0, none, none, none}), row({1e4, -1e4, 0, 0}),
                              row({2, none, 2, 2}), row({3, 2.9, 1, 0})}) {
    for (const int64_t k : {1, 2, 4}) {
      for (const Tensor& prior :
           {row({1, 1, 1, 1}), row({0, none, none, none}), row({.1, .2, .3, .4})}) {
        const Tensor z = given.clone().requires_grad_();
        const Tensor value = rank_disagreement(prior, z, union_of_top(prior, z, k));
        EXPECT_TRUE(value.isfinite().all().item<bool>());
        EXPECT_TRUE(gradient(value, z).isfinite().all().item<bool>());
      }
    }
  }
}

TEST(RankDisagreement, IsZeroWhereTheSidesAgreeAndTwoWhereTheyAreReversed) {
  const Tensor p = row({4, 3, 2, 1});
  EXPECT_NEAR(rank_disagreement(p, p, union_of_top(p, p, 4)).item<double>(), 0, 1e-12);
  EXPECT_NEAR(rank_disagreement(p, -p, union_of_top(p, -p, 4)).item<double>(), 2, 1e-12);
}

TEST(RankDisagreement, ReproducesTheGoldenRanking) {
  for (const GoldenCase& golden : golden_cases("ranking_rlkd")) {
    const Tensor z = golden.variable("student_logits"), mask = golden.input("mask");
    const Tensor p = golden.input("teacher_logits");
    const auto flat = [](const Tensor& x) { return x.flatten(0, 1); };
    const Union among = union_of_top(flat(p), flat(z), static_cast<int64_t>(golden.number("k", 0)));
    const Tensor rank = rank_disagreement(flat(p), flat(z), among).view_as(mask);
    const Tensor overlap = among.overlap.view_as(mask);
    Tensor values = golden.number("rank_weight", 0) * rank;
    const std::string kind = golden.text("divergence");
    if (kind != "none") {
      const Tensor log_p = p.log_softmax(-1), log_q = z.log_softmax(-1);
      const Tensor d = kind == "forward_kl" ? forward_kl(log_p, log_q) : reverse_kl(log_p, log_q);
      const double weight = golden.number("divergence_weight", 0);
      values = values + weight * (golden.flag("dynamic", false) ? overlap * d : d);
    }
    const Tensor loss = masked_mean(values, mask);
    golden.expect("rank_per_token", masked(rank, mask));
    golden.expect("overlap", masked(overlap, mask));
    golden.expect("per_token", masked(values, mask));
    golden.expect("loss", loss);
    golden.expect("loss_sequence_mean", masked_sequence_mean(values, mask));
    golden.expect_gradients(loss, {{"student_logits", z}});
  }
}

}  // namespace
}  // namespace rl::ops
