#include "rl/ops/retrieval.h"

#include <gtest/gtest.h>

#include "rl/ops/policy_gradient.h"
#include "rl/torch.h"

namespace rl::ops {
namespace {

// RetriKT-1 of the notes: three items, a query.
struct RetriKt1 {
  Tensor keys = torch::tensor({{1.0, 0.0}, {0.6, 0.8}, {0.0, 1.0}}, torch::kFloat64);
  Tensor labels = torch::tensor({{0.9, 0.1}, {0.6, 0.4}, {0.2, 0.8}}, torch::kFloat64);
  Tensor query = torch::tensor({0.8, 0.6}, torch::kFloat64);
  Tensor similarity = keys.mv(query);
};

void expect_near(const Tensor& found, const std::vector<double>& expected,
                 double tolerance = 1e-6) {
  ASSERT_EQ(found.numel(), static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(found[static_cast<int64_t>(i)].item<double>(), expected[i], tolerance) << i;
  }
}

TEST(ReadNearest, WeighsItemsByTheirSimilarity) {
  const RetriKt1 e;
  expect_near(e.similarity, {0.80, 0.96, 0.60});
  expect_near(read_nearest(e.similarity, e.labels, 0.1).weights, {0.164248, 0.813524, 0.022229});
}

TEST(ReadNearest, MixesWhatTheNearestSay) {
  const RetriKt1 e;
  const auto [similarity, item] = e.similarity.topk(2);
  const Reading found = read_nearest(similarity, e.labels.index_select(0, item), 0.1);
  expect_near(found.weights, {0.832018, 0.167982});
  expect_near(found.probs, {0.650394, 0.349606}, 2e-6);
  const Tensor own = torch::tensor({0.55, 0.45}, torch::kFloat64);
  expect_near(interpolated(found.probs, own, 0.5), {0.600197, 0.399803}, 2e-6);
}

TEST(Interpolated, RefusesAShareOutsideTheUnitInterval) {
  const Tensor half = torch::full({2}, 0.5);
  EXPECT_THROW(interpolated(half, half, 1.5), std::invalid_argument);
}

TEST(RelationDivergence, IsTheKlOfTwoSoftmaxesOfSimilarities) {
  const Tensor teacher = torch::tensor({0.9, 0.95, 0.2}, torch::kFloat64);
  const Tensor student = torch::tensor({0.7, 0.8, 0.5}, torch::kFloat64).requires_grad_(true);
  const Tensor found = relation_divergence(teacher, student, 0.1, 0.1);
  EXPECT_NEAR(found.item<double>(), 0.061748, 1e-6);
  // d KL / d similarity = (q - p) / temperature.
  const Tensor gradient = torch::autograd::grad({found}, {student})[0];
  const Tensor expected = ((student / 0.1).softmax(-1) - (teacher / 0.1).softmax(-1)) / 0.1;
  EXPECT_TRUE(torch::allclose(gradient, expected, 1e-9, 1e-9));
}

TEST(RelationDivergence, LeavesOutWhatDoesNotCount) {
  const double nothing = -std::numeric_limits<double>::infinity();
  const Tensor teacher = torch::tensor({0.9, nothing, 0.95, 0.2}, torch::kFloat64);
  const Tensor student = torch::tensor({0.7, nothing, 0.8, 0.5}, torch::kFloat64);
  EXPECT_NEAR(relation_divergence(teacher, student, 0.1, 0.1).item<double>(), 0.061748, 1e-6);
}

TEST(RelationDivergence, RefusesATemperatureOfZero) {
  const Tensor x = torch::zeros({2});
  EXPECT_THROW(relation_divergence(x, x, 0, 0.1), std::invalid_argument);
}

// The reward and the clipped step of RetriKT-1: ln 0.8 - 0.5 * 0.4; ratio 1.3, advantage 0.7, clip 0.2.
TEST(RetriKt1, HasTheRewardAndTheClippedStepOfTheNotes) {
  EXPECT_NEAR(std::log(0.8) - 0.5 * 0.4, -0.423144, 1e-6);
  const Tensor ratio = torch::tensor({1.3}, torch::kFloat64).log();
  const Tensor loss = clipped_surrogate(ratio, torch::zeros({1}, torch::kFloat64),
                                        torch::tensor({0.7}, torch::kFloat64), 0.2);
  EXPECT_NEAR(-loss.item<double>(), 0.84, 1e-9);
}

}  // namespace
}  // namespace rl::ops
