#include "rl/ops/cross_vocabulary.h"

#include <gmock/gmock.h>

#include <limits>

#include "rl/ops/masked.h"
#include "rl/torch.h"
#include "tests/support/golden.h"

namespace rl::ops {
namespace {

using testing_support::golden_cases;
using testing_support::GoldenCase;
using testing_support::largest_difference;

constexpr double kNothing = -std::numeric_limits<double>::infinity();

Tensor row(std::vector<double> probs) {
  return torch::tensor(probs, torch::kFloat64).log().unsqueeze(0);
}

// Worked number UL-1: 1.5 times the mean is 0.375.
TEST(SortedDistance, IsTheWorkedNumber) {
  const double first =
      sorted_distance(row({0.1, 0.6, 0.25, 0.05}), row({0.5, 0.3, 0.2})).item<double>();
  const double second =
      sorted_distance(row({0.6, 0.3, 0.1, 0}), row({0.2, 0.7, 0.1})).item<double>();
  EXPECT_NEAR(first, 0.30, 1e-12);
  EXPECT_NEAR(second, 0.20, 1e-12);
  EXPECT_NEAR(1.5 * (first + second) / 2, 0.375, 1e-12);
}

TEST(SortedDistance, DoesNotSeeWhichActionIsWhich) {
  const Tensor log_p = row({0.1, 0.6, 0.3});
  EXPECT_EQ(sorted_distance(log_p, row({0.2, 0.7, 0.1})).item<double>(),
            sorted_distance(log_p, row({0.7, 0.1, 0.2})).item<double>());
}

// The trained rows of one side: float[n, V].
Tensor trained(const Tensor& x, const Tensor& mask) { return x.index({mask.nonzero().squeeze(1)}); }

TEST(SortedDistance, ReproducesTheGoldenCases) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("uld")) {
    SCOPED_TRACE(golden.name());
    const Tensor logits = golden.variable("student_logits");
    const Tensor log_q = (logits / golden.number("temperature_student", 1)).log_softmax(-1);
    const Tensor teacher = golden.input("teacher_logits");
    const Tensor log_p = (teacher / golden.number("temperature_teacher", 1)).log_softmax(-1);
    const Tensor mask = golden.input("mask"), other = golden.input("teacher_mask");
    std::vector<Tensor> means;
    for (int64_t b = 0; b < mask.size(0); ++b) {
      const Tensor q = trained(log_q[b], mask[b]), p = trained(log_p[b], other[b]);
      const int64_t count = std::min(q.size(0), p.size(0));
      means.push_back(sorted_distance(p.narrow(0, 0, count), q.narrow(0, 0, count)).mean());
    }
    const Tensor per_sequence = torch::stack(means);
    golden.expect("uld_per_sequence", per_sequence);
    golden.expect("loss_uld", per_sequence.mean());
    const Tensor taken = logits.log_softmax(-1).gather(-1, golden.input("tokens").unsqueeze(-1));
    const Tensor ce = -masked_mean(taken.squeeze(-1), mask);
    golden.expect("loss_ce", ce);
    const Tensor loss =
        golden.number("ce_weight", 1) * ce + golden.number("uld_weight", 1.5) * per_sequence.mean();
    golden.expect("loss", loss);
    golden.expect_gradients(loss, {{"student_logits", logits}});
    ++cases;
  }
  EXPECT_EQ(cases, 14);
}

// Worked number GO-1, hybrid: matched (.4, .2) and (.5, .2), others (.3, .1) and (.2, .1).
TEST(HybridDistance, IsTheWorkedNumber) {
  const Tensor log_q = row({0.4, 0.3, 0.2, 0.1});
  Tensor log_p = row({0.5, 1, 0.2, 1, 0.2, 0.1});
  log_p[0][1] = log_p[0][3] = kNothing;
  EXPECT_NEAR(hybrid_distance(log_p, log_q, {.matched_weight = 1}).item<double>(), 0.002784, 1e-6);
  EXPECT_NEAR(hybrid_distance(log_p, log_q, {.matched_weight = 0}).item<double>(), 0.1, 1e-12);
  EXPECT_NEAR(hybrid_distance(log_p, log_q, {.matched_weight = 0.5}).item<double>(), 0.051392,
              1e-6);
  // Without a weight: two of the prior's four actions are matched.
  EXPECT_NEAR(hybrid_distance(log_p, log_q, {}).item<double>(), 0.051392, 1e-6);
}

TEST(HybridDistance, OfOneVocabularyIsTheDivergence) {
  const Tensor log_p = row({0.5, 0.3, 0.2}), log_q = row({0.2, 0.3, 0.5});
  const double found = hybrid_distance(log_p, log_q, {}).item<double>();
  EXPECT_NEAR(found, hybrid_distance(log_p, log_q, {.matched_weight = 1}).item<double>(), 1e-12);
  EXPECT_GT(found, 0.05);
}

}  // namespace
}  // namespace rl::ops
