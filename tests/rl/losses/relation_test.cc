#include "rl/losses/relation.h"

#include <gtest/gtest.h>

#include "rl/ops/retrieval.h"
#include "rl/torch.h"

namespace rl {
namespace {

Trajectory group_of(const Tensor& prior_features, const Tensor& mask) {
  const int64_t rows = mask.size(0), columns = mask.size(1);
  ActionSet actions;
  actions.prior_features = prior_features;
  return {.observation = torch::zeros({rows, columns, 1}),
          .start = {},
          .action = torch::zeros({rows, columns}, torch::kInt64),
          .actions = actions,
          .behavior_log_prob = torch::zeros({rows, columns}),
          .reward = torch::zeros({rows, columns}),
          .discount = torch::zeros({rows, columns}),
          .mask = mask,
          .state_mask = mask,
          .episode = torch::arange(rows),
          .own = torch::zeros({rows}, torch::kBool),
          .notes = {}};
}

LossOutput loss_of(const Tensor& prior, const Tensor& features, const Tensor& mask) {
  const Trajectory t = group_of(prior, mask);
  const PolicyOutput online{features, {}, {}};
  const Reward none;
  return Relation({.prior_temperature = 0.2, .temperature = 0.5})(
      {t, online, nullptr, none, mask.to(torch::kFloat32)});
}

TEST(Relation, ComparesEachStateWithTheOthersOfItsRow) {
  torch::manual_seed(3);
  const Tensor prior = torch::randn({2, 3, 4}), features = torch::randn({2, 3, 5});
  const Tensor mask = torch::ones({2, 3}, torch::kBool);
  double expected = 0;
  for (int64_t b = 0; b < 2; ++b) {
    const Tensor p = ops::cosine_similarity(prior[b]), q = ops::cosine_similarity(features[b]);
    for (int64_t i = 0; i < 3; ++i) {
      const Tensor others = torch::tensor({(i + 1) % 3, (i + 2) % 3});
      expected += ops::relation_divergence(p[i].index_select(0, others),
                                           q[i].index_select(0, others), 0.2, 0.5)
                      .item<double>();
    }
  }
  EXPECT_NEAR(loss_of(prior, features, mask).loss.item<double>(), expected, 1e-5);
}

TEST(Relation, IsNothingWhereBothSpacesAreTurnedAndStretched) {
  torch::manual_seed(4);
  const Tensor prior = torch::randn({1, 4, 3});
  const Tensor mask = torch::ones({1, 4}, torch::kBool);
  const Trajectory t = group_of(prior, mask);
  const PolicyOutput online{prior.flip({2}) * 3, {}, {}};
  const Reward none;
  const LossOutput out =
      Relation(RelationOptions{})({t, online, nullptr, none, mask.to(torch::kFloat32)});
  EXPECT_NEAR(out.loss.item<double>(), 0, 1e-5);
}

// A group of one text, beside one of three.
TEST(Relation, LearnsNothingFromAStateThatIsAlone) {
  torch::manual_seed(6);
  const Tensor prior = torch::randn({2, 3, 4});
  Tensor mask = torch::ones({2, 3}, torch::kBool);
  mask[0].narrow(0, 1, 2).fill_(false);
  const Tensor features = torch::randn({2, 3, 4}).requires_grad_(true);
  const Tensor loss = loss_of(prior, features, mask).loss;
  const Tensor others =
      loss_of(prior.narrow(0, 1, 1), features.narrow(0, 1, 1), mask.narrow(0, 1, 1)).loss;
  EXPECT_NEAR(loss.item<double>(), others.item<double>(), 1e-6);
  const Tensor gradient = torch::autograd::grad({loss}, {features})[0];
  EXPECT_TRUE(gradient.isfinite().all().item<bool>());
  EXPECT_EQ(gradient[0].abs().sum().item<double>(), 0);
}

TEST(Relation, GivesPaddingNoInfluenceAndNoGradient) {
  torch::manual_seed(5);
  const Tensor prior = torch::randn({1, 4, 3});
  Tensor mask = torch::ones({1, 4}, torch::kBool);
  mask[0][3] = false;
  const Tensor features = torch::randn({1, 4, 3}).requires_grad_(true);
  const Tensor loss = loss_of(prior, features, mask).loss;
  const Tensor shorter =
      loss_of(prior.narrow(1, 0, 3), features.narrow(1, 0, 3), mask.narrow(1, 0, 3)).loss;
  EXPECT_NEAR(loss.item<double>(), shorter.item<double>(), 1e-6);
  const Tensor gradient = torch::autograd::grad({loss}, {features})[0];
  EXPECT_TRUE(gradient.isfinite().all().item<bool>());
  EXPECT_EQ(gradient[0][3].abs().sum().item<double>(), 0);
}

TEST(Relation, RefusesAPriorWithoutFeatures) {
  const Tensor mask = torch::ones({1, 2}, torch::kBool);
  EXPECT_THROW(loss_of({}, torch::randn({1, 2, 3}), mask), std::invalid_argument);
}

TEST(Relation, RefusesATemperatureThatIsNotPositive) {
  EXPECT_THROW(Relation({.prior_temperature = 0.1, .temperature = 0}), std::invalid_argument);
}

}  // namespace
}  // namespace rl
