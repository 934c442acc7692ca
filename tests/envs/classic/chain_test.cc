#include "envs/classic/chain.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "rl/torch.h"

namespace envs {
namespace {

TEST(Chain, PaysAtTheEndAndForStayingAtTheStart) {
  Chain chain({.length = 3, .small_reward = .1});
  rl::TimeStep now = chain.reset(torch::arange(1));
  EXPECT_TRUE(now.observation.equal(torch::tensor({{1.F, 0.F, 0.F}})));
  const auto act = [&](int64_t action) { return now = chain.step(torch::tensor({action})); };
  EXPECT_FLOAT_EQ(act(0).reward.item<float>(), .1F);
  EXPECT_EQ(act(1).reward.item<float>(), 0);
  EXPECT_TRUE(now.observation.equal(torch::tensor({{0.F, 1.F, 0.F}})));
  EXPECT_EQ(act(0).reward.item<float>(), 0);
  act(1);
  EXPECT_EQ(act(1).reward.item<float>(), 1);
  EXPECT_TRUE(now.last.item<bool>());
  EXPECT_EQ(now.discount.item<float>(), 0);
}

// Value iteration, written apart from the closed form.
TEST(Chain, KnowsItsOptimum) {
  for (const double small : {0.0, .01, .05, .2}) {
    for (const double gamma : {.5, .9, .99}) {
      const int64_t length = 5;
      const Chain chain({.length = length, .small_reward = small});
      std::vector<double> value(static_cast<size_t>(length), 0);
      const auto q = [&](int64_t state, int64_t action) {
        if (action == 1) {
          return state == length - 2 ? 1 : gamma * value[static_cast<size_t>(state) + 1];
        }
        return state == 0 ? small + gamma * value[0]
                          : gamma * value[static_cast<size_t>(state) - 1];
      };
      for (int sweep = 0; sweep < 5000; ++sweep) {
        for (int64_t s = 0; s < length - 1; ++s) {
          value[static_cast<size_t>(s)] = std::max(q(s, 0), q(s, 1));
        }
      }
      for (int64_t s = 0; s < length - 1; ++s) {
        EXPECT_NEAR(chain.optimal_value(s, gamma), value[static_cast<size_t>(s)], 1e-9);
        for (const int64_t a : {0, 1}) EXPECT_NEAR(chain.optimal_q(s, a, gamma), q(s, a), 1e-9);
      }
      EXPECT_EQ(chain.optimal_value(length - 1, gamma), 0);
    }
  }
}

TEST(Chain, RefusesASingleState) { EXPECT_THROW(Chain({.length = 1}), std::invalid_argument); }

}  // namespace
}  // namespace envs
