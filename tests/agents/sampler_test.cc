#include "agents/sampler.h"

#include <gmock/gmock.h>

#include <limits>

#include "rl/torch.h"

namespace agents {
namespace {

using rl::Tensor;

Tensor logits() { return torch::tensor({{0.5f, 0.3f, 0.15f, 0.05f}}).log(); }

// How often each action is drawn by evenly spaced points.
Tensor frequencies(const SamplingOptions& options) {
  constexpr int64_t kPoints = 1000;
  const Tensor points = (torch::arange(kPoints, torch::kFloat64) + 0.5) / kPoints;
  const rl::Choice choice = sample(logits().expand({kPoints, 4}), options, points);
  return torch::bincount(choice.action_ids, {}, 4).to(torch::kFloat64) / kPoints;
}

void expect_frequencies(const SamplingOptions& options, std::vector<double> expected) {
  const Tensor wanted = torch::tensor(expected, torch::kFloat64);
  EXPECT_TRUE(frequencies(options).allclose(wanted, 0, 2e-3)) << frequencies(options);
}

TEST(Sample, DrawsByTheProbabilities) { expect_frequencies({}, {0.5, 0.3, 0.15, 0.05}); }

TEST(Sample, DividesByTheTemperature) {
  const Tensor p = torch::tensor({0.5, 0.3, 0.15, 0.05}).square();
  const Tensor q = p / p.sum();
  expect_frequencies({.temperature = 0.5}, {q[0].item<double>(), q[1].item<double>(),
                                            q[2].item<double>(), q[3].item<double>()});
}

TEST(Sample, KeepsTheKLikeliest) { expect_frequencies({.top_k = 2}, {0.625, 0.375, 0, 0}); }

TEST(Sample, KeepsTheSmallestSetThatReachesTheMass) {
  expect_frequencies({.top_p = 0.6}, {0.625, 0.375, 0, 0});
  expect_frequencies({.top_p = 0.4}, {1, 0, 0, 0});
}

TEST(Sample, KeepsWhatIsAtLeastAShareAsLikely) {
  expect_frequencies({.min_p = 0.29}, {0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0});
}

TEST(Sample, TakesTheLikeliestAtTemperatureZero) {
  expect_frequencies({.temperature = 0}, {1, 0, 0, 0});
}

TEST(Sample, NeverDrawsAnImpossibleAction) {
  constexpr float kNothing = -std::numeric_limits<float>::infinity();
  const Tensor row = torch::tensor({{kNothing, 0.0f, kNothing}});
  for (const double u : {0.0, 0.5, 1 - 1e-16}) {
    const rl::Choice choice = sample(row, {}, torch::tensor({u}, torch::kFloat64));
    EXPECT_EQ(choice.action_ids.item<int64_t>(), 1);
    EXPECT_EQ(choice.log_prob.item<double>(), 0);
  }
}

TEST(Sample, GivesTheLogProbabilityItDrewWith) {
  const rl::Choice choice = sample(logits(), {.top_k = 2}, torch::tensor({0.99}, torch::kFloat64));
  EXPECT_NEAR(choice.log_prob.item<double>(), std::log(0.375), 1e-6);
}

TEST(SamplingOptions, NamesTheOptionThatIsOutOfRange) {
  for (const auto& [options, name] : {std::pair{SamplingOptions{.temperature = -1}, "temperature"},
                                      std::pair{SamplingOptions{.top_k = -1}, "top_k"},
                                      std::pair{SamplingOptions{.top_p = 0}, "top_p"},
                                      std::pair{SamplingOptions{.min_p = 2}, "min_p"}}) {
    try {
      options.validate();
      FAIL() << "no error";
    } catch (const std::invalid_argument& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(name));
    }
  }
}

}  // namespace
}  // namespace agents
