#include "rl/priorities.h"

#include <gmock/gmock.h>

#include <limits>

#include "rl/check.h"
#include "rl/torch.h"
#include "tests/support/golden.h"

namespace rl {
namespace {

using testing_support::golden_cases;
using testing_support::GoldenCase;

TEST(SumTree, FindsWhereAPartOfTheSumEnds) {
  SumTree tree(5);
  EXPECT_EQ(tree.leaves(), 8);
  tree.set(1, 2);
  tree.set(4, 3);
  EXPECT_EQ(tree.total(), 5);
  EXPECT_EQ(tree.least(), 2);
  EXPECT_EQ(tree.find(0), 1);
  EXPECT_EQ(tree.find(1.9), 1);
  EXPECT_EQ(tree.find(2), 4);
  // Beyond the sum, as rounding may ask: still a leaf that holds something.
  EXPECT_EQ(tree.find(6), 4);
  tree.erase(4);
  EXPECT_EQ(tree.total(), 2);
}

TEST(SumTree, RefusesWhatIsNotPositiveAndFinite) {
  SumTree tree(2);
  EXPECT_THROW(tree.set(0, 0), std::invalid_argument);
  EXPECT_THROW(tree.set(0, std::nan("")), std::invalid_argument);
  EXPECT_THROW(tree.set(0, std::numeric_limits<double>::infinity()), std::invalid_argument);
}

// Errors that make the given priorities.
Tensor errors_for(const Tensor& priorities, double epsilon) {
  return priorities.to(torch::kFloat64) - epsilon;
}

Tensor probabilities(const Priorities& priorities) {
  std::vector<double> found;
  for (int64_t row = 0; row < priorities.size(); ++row)
    found.push_back(priorities.probability(row));
  return torch::tensor(found, torch::kFloat64);
}

TEST(Priorities, ReproduceTheGoldenCases) {
  for (const GoldenCase& golden : golden_cases("prioritized_replay")) {
    const Tensor stored = golden.input("priorities"), sampled = golden.input("sampled");
    const double epsilon = golden.number("epsilon", 0), beta = golden.number("beta", 0);
    const PriorityOptions options{.alpha = golden.number("alpha", 0),
                                  .beta_first = beta,
                                  .beta_last = beta,
                                  .epsilon = epsilon};
    Priorities priorities(options);
    priorities.append(stored.size(0));
    const Tensor all = torch::arange(stored.size(0));
    priorities.update(all, errors_for(stored, epsilon));
    golden.expect("probabilities", probabilities(priorities));
    const std::vector<int64_t> rows(sampled.data_ptr<int64_t>(),
                                    sampled.data_ptr<int64_t>() + sampled.numel());
    // Weights are handed out in float32.
    const Tensor weights = priorities.importance(rows, 0.5);
    EXPECT_TRUE(
        weights.allclose(golden.input("weights_over_buffer_max").to(torch::kFloat32), 1e-5, 2e-6))
        << golden.name();

    priorities.update(sampled, golden.input("td_error"));
    Priorities expected(options);
    expected.append(stored.size(0));
    expected.update(all, errors_for(golden.input("updated_priorities"), epsilon));
    EXPECT_TRUE(probabilities(priorities).allclose(probabilities(expected), 1e-6, 1e-9))
        << golden.name();
  }
}

// 4000 draws of 10 rows with priorities 1 .. 10; strata leave less noise than independent draws.
TEST(Priorities, DrawInProportion) {
  Priorities priorities({.alpha = 1, .epsilon = 1e-9});
  priorities.append(10);
  priorities.update(torch::arange(10), torch::arange(1, 11).to(torch::kFloat32));
  Tensor counts = torch::zeros({10});
  for (uint64_t draw = 0; draw < 1000; ++draw) {
    for (const int64_t row : priorities.draw(4, 1, draw)) counts[row] += 1;
  }
  EXPECT_TRUE((counts / 4000).allclose(torch::arange(1, 11) / 55.0, 0, 0.02)) << counts;
}

TEST(Priorities, GiveNewRowsTheLargestAndPassOverThoseThatLeft) {
  Priorities priorities({.alpha = 1, .epsilon = 1e-9});
  priorities.append(2);
  priorities.update(torch::arange(2), torch::tensor({4.F, 1.F}));
  priorities.append(1);
  EXPECT_NEAR(priorities.probability(2), 4 / 9., 1e-6);
  priorities.drop(1);
  priorities.update(torch::tensor({0, 1}), torch::tensor({100.F, 4.F}));
  EXPECT_NEAR(priorities.probability(1), 0.5, 1e-6);
  for (const int64_t row : priorities.draw(8, 1, 1)) EXPECT_THAT(row, testing::AnyOf(1, 2));
}

TEST(Priorities, AnnealTheirWeights) {
  Priorities priorities({.alpha = 1, .beta_first = 0, .beta_last = 1, .epsilon = 1e-9});
  priorities.append(2);
  priorities.update(torch::arange(2), torch::tensor({4.F, 1.F}));
  EXPECT_TRUE(priorities.importance({0, 1}, 0).allclose(torch::ones({2})));
  EXPECT_TRUE(priorities.importance({0, 1}, 0.5).allclose(torch::tensor({0.5F, 1.F})));
  EXPECT_TRUE(priorities.importance({0, 1}, 1).allclose(torch::tensor({0.25F, 1.F})));
}

TEST(Priorities, RefuseOptionsOutOfRange) {
  EXPECT_THROW(Priorities({.alpha = -1}), std::invalid_argument);
  EXPECT_THROW(Priorities({.beta_first = -1}), std::invalid_argument);
  EXPECT_THROW(Priorities({.epsilon = 0}), std::invalid_argument);
}

}  // namespace
}  // namespace rl
