#include "rl/losses/aligned.h"

#include <gmock/gmock.h>

#include "rl/learner.h"
#include "rl/torch.h"
#include "tests/support/golden.h"
#include "tests/toy/logits_policy.h"

namespace rl {
namespace {

using testing_support::largest_difference;
using toy::LogitsPolicy;
using toy::make_rows;

// Two tokens, 0 and 1, that make one of the prior's.
Trajectory merged(int64_t anchor, const Tensor& prior_log_probs, double prior_scale) {
  Trajectory t = make_rows(torch::tensor({{0, 1}}), torch::ones({1, 2}), torch::ones({1, 2}), 3);
  t.actions.prior_log_probs = prior_log_probs.expand({1, 2, -1});
  Tensor aligned = torch::zeros({1, 2}), scale = torch::zeros({1, 2});
  aligned[0][anchor] = 2;
  scale[0][anchor] = prior_scale;
  t.notes["anchor"] = torch::full({1, 2}, anchor, torch::kInt64);
  t.notes["aligned"] = aligned;
  t.notes["prior_scale"] = scale;
  t.notes["one_to_one"] = torch::zeros({1, 2});
  return t;
}

double value_of(const AlignedOptions& options, const Trajectory& t, const Tensor& logits,
                Tensor* gradient = nullptr) {
  const auto policy = std::make_shared<LogitsPolicy>(logits);
  std::vector<Objective> objectives;
  objectives.push_back({"aligned", 1.0, std::make_unique<Aligned>(options), {}});
  LearnerOptions learner_options;
  learner_options.average = Average::kRows;
  Learner learner(policy, std::move(objectives), learner_options);
  learner.accumulate(t);
  if (gradient != nullptr) *gradient = learner.gradients()[0].clone();
  return learner.step().at("policy/loss/aligned");
}

Tensor worked() {  // GO-1
  return torch::tensor({0.6, 0.3, 0.1, 0.05, 0.9, 0.05}).log().view({1, 2, 3});
}

// Worked number GO-1: observed [.54, .27, .09], bayesian [.03, .54, .03]; against a prior of nothing the
// sorted distance is their sum.
TEST(Aligned, MergesAsWorkedByHand) {
  const Tensor nothing = torch::full({3}, -1e4);
  EXPECT_NEAR(value_of({}, merged(0, nothing, 0), worked()), 0.90, 1e-6);
  EXPECT_NEAR(value_of({}, merged(1, nothing, 0), worked()), 0.60, 1e-6);
  // A prior that merges to the very same numbers is at no distance.
  const Tensor log_p = torch::tensor({0.6, 0.3, 0.1}).log();
  EXPECT_NEAR(value_of({}, merged(0, log_p, std::log(0.9)), worked()), 0, 1e-6);
}

TEST(Aligned, DifferentiatesTheProbabilitiesOfTheOtherTokensToo) {
  torch::manual_seed(5);
  const Tensor log_p = torch::randn({4}).log_softmax(-1);
  for (const bool by_action : {false, true}) {
    for (const int64_t anchor : {0, 1}) {
      const AlignedOptions options{.by_action = by_action, .policy_temperature = 1.3};
      const Trajectory t = merged(anchor, log_p, -0.4);
      const Tensor logits = torch::randn({1, 2, 3});
      Tensor gradient;
      value_of(options, t, logits, &gradient);
      for (int64_t i = 0; i < 6; ++i) {
        const auto moved = [&](double by) {
          Tensor x = logits.clone();
          x.view({6})[i] += by;
          return value_of(options, t, x);
        };
        EXPECT_NEAR(gradient.view({6})[i].item<double>(), (moved(1e-2) - moved(-1e-2)) / 2e-2, 2e-3)
            << by_action << anchor << i;
      }
    }
  }
}

TEST(Aligned, RefusesNonsense) {
  EXPECT_THROW(Aligned({.policy_temperature = 0}), std::invalid_argument);
  EXPECT_THROW(Aligned({.hybrid = {.beta = 1}}), std::invalid_argument);
}

}  // namespace
}  // namespace rl
