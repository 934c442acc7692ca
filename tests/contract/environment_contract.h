#pragma once

/// What every environment promises, as a suite. Include it in one source per test program and say
///
///   INSTANTIATE_TEST_SUITE_P(Classic, EnvironmentContract,
///                            testing::Values(EnvironmentCase{"cart_pole", make_cart_pole}));

#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "rl/checkpoint.h"
#include "rl/environment.h"
#include "rl/torch.h"

struct EnvironmentCase {
  std::string name;
  /// A new environment; always of the same seed.
  std::function<std::unique_ptr<rl::Environment>()> make;

  friend std::ostream& operator<<(std::ostream& out, const EnvironmentCase& c) {
    return out << c.name;
  }
};

class EnvironmentContract : public testing::TestWithParam<EnvironmentCase> {
 protected:
  static rl::Tensor ids(const std::vector<int64_t>& values) { return torch::tensor(values); }

  /// The action set of a row, as ids.
  rl::Tensor offered(const rl::TimeStep& now, int64_t row) const {
    if (now.actions.is_full()) return torch::arange(environment->spec().action_count);
    const rl::Tensor all = now.actions.ids[row].to(torch::kCPU);
    return all.masked_select(all.ge(0));
  }

  /// One action per row: a function of episode and step, so that the same episode gets the same ones
  /// in any batch.
  rl::Tensor some_actions(const rl::TimeStep& now) const {
    std::vector<int64_t> chosen;
    for (int64_t row = 0; row < now.size(); ++row) {
      const rl::Tensor open = offered(now, row);
      const int64_t mixed =
          7 * now.episode[row].item<int64_t>() + 5 * now.step[row].item<int64_t>() / 3;
      chosen.push_back(open.size(0) == 0 ? 0 : open[mixed % open.size(0)].item<int64_t>());
    }
    return torch::tensor(chosen).to(now.episode.device());
  }

  /// Whether row `a` of one time step shows the same as row `b` of another.
  static void expect_same(const rl::TimeStep& x, int64_t a, const rl::TimeStep& y, int64_t b) {
    if (x.length.defined()) {
      const int64_t length = x.length[a].item<int64_t>();
      ASSERT_EQ(length, y.length[b].item<int64_t>());
      EXPECT_TRUE(
          x.observation[a].narrow(0, 0, length).equal(y.observation[b].narrow(0, 0, length)));
    } else {
      EXPECT_TRUE(x.observation[a].equal(y.observation[b]));
    }
    EXPECT_TRUE(x.reward[a].equal(y.reward[b]));
    EXPECT_TRUE(x.discount[a].equal(y.discount[b]));
    EXPECT_TRUE(x.last[a].equal(y.last[b]));
    EXPECT_TRUE(x.episode[a].equal(y.episode[b]));
    EXPECT_TRUE(x.step[a].equal(y.step[b]));
    EXPECT_EQ(x.actions.is_full(), y.actions.is_full());
    if (x.actions.is_full()) return;
    EXPECT_TRUE(x.actions.ids[a].equal(y.actions.ids[b]));
  }

  /// Steps after which every episode is over, and a new one has begun where the world restarts.
  int64_t enough_steps() const { return environment->spec().max_episode_steps + 1; }

  std::unique_ptr<rl::Environment> environment = GetParam().make();
};

TEST_P(EnvironmentContract, ResetPaysNothingAndEndsNothing) {
  const rl::TimeStep first = environment->reset(ids({0, 1, 2}));
  EXPECT_EQ(first.reward.abs().sum().item<float>(), 0);
  EXPECT_FALSE(first.last.any().item<bool>());
  EXPECT_TRUE(first.discount.eq(1).all().item<bool>());
  EXPECT_TRUE(first.step.eq(0).all().item<bool>());
  EXPECT_TRUE(first.episode.equal(ids({0, 1, 2}).to(first.episode.device())));
}

TEST_P(EnvironmentContract, ShowsWhatItsSpecSays) {
  const rl::EnvironmentSpec& spec = environment->spec();
  EXPECT_GE(spec.max_episode_steps, 1);
  EXPECT_GE(spec.action_count, 1);
  EXPECT_LE(spec.max_actions, spec.action_count);
  rl::TimeStep now = environment->reset(ids({3, 8}));
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(now.size(), 2);
    EXPECT_EQ(now.observation.size(0), 2);
    EXPECT_EQ(now.observation.scalar_type(), spec.observation.dtype);
    ASSERT_EQ(now.observation.dim(), static_cast<int64_t>(spec.observation.shape.size()) + 1);
    for (size_t d = 0; d < spec.observation.shape.size(); ++d) {
      if (spec.observation.shape[d] < 0) continue;
      EXPECT_EQ(now.observation.size(static_cast<int64_t>(d) + 1), spec.observation.shape[d]);
    }
    EXPECT_EQ(now.length.defined(), spec.observation_is_prefix);
    EXPECT_EQ(now.reward.scalar_type(), torch::kFloat32);
    EXPECT_EQ(now.discount.scalar_type(), torch::kFloat32);
    EXPECT_EQ(now.last.scalar_type(), torch::kBool);
    now = environment->step(some_actions(now));
  }
}

TEST_P(EnvironmentContract, EveryStateOffersAnAction) {
  rl::TimeStep now = environment->reset(ids({0, 1, 2}));
  for (int64_t i = 0; i < enough_steps(); ++i) {
    for (int64_t row = 0; row < now.size(); ++row) {
      if (now.last[row].item<bool>()) continue;
      const rl::Tensor open = offered(now, row);
      ASSERT_GE(open.size(0), 1);
      EXPECT_LT(open.max().item<int64_t>(), environment->spec().action_count);
    }
    now = environment->step(some_actions(now));
  }
}

TEST_P(EnvironmentContract, OnlyTheStepLimitIsATruncation) {
  const rl::EnvironmentSpec& spec = environment->spec();
  rl::TimeStep now = environment->reset(ids({0, 1, 2, 3}));
  std::vector<bool> over(4, false);
  for (int64_t i = 0; i < enough_steps(); ++i) {
    for (int64_t row = 0; row < now.size(); ++row) {
      const bool last = now.last[row].item<bool>();
      const float discount = now.discount[row].item<float>();
      EXPECT_TRUE(discount == 0 || discount == 1);
      const int64_t step = now.step[row].item<int64_t>();
      EXPECT_TRUE(last || discount == 1) << "an end that is not the last step";
      EXPECT_TRUE(!last || discount == 0 || step == spec.max_episode_steps) << "cut too early";
      EXPECT_TRUE(last || step < spec.max_episode_steps) << "cut too late";
      over[static_cast<size_t>(row)] = over[static_cast<size_t>(row)] || last;
    }
    now = environment->step(some_actions(now));
  }
  EXPECT_THAT(over, testing::Each(true)) << "an episode never ends";
}

TEST_P(EnvironmentContract, RowsThatAreOverStayOverOrRestart) {
  const int64_t batch = 3;
  rl::TimeStep now = environment->reset(ids({0, 1, 2}));
  for (int64_t i = 0; i < enough_steps(); ++i) {
    const rl::TimeStep before = now;
    now = environment->step(some_actions(now).masked_fill(now.last, -1));
    for (int64_t row = 0; row < batch; ++row) {
      const int64_t step = before.step[row].item<int64_t>();
      if (!before.last[row].item<bool>()) {
        EXPECT_EQ(now.step[row].item<int64_t>(), step + 1);
        EXPECT_TRUE(now.episode[row].equal(before.episode[row]));
        continue;
      }
      EXPECT_EQ(now.reward[row].item<float>(), 0);
      if (environment->spec().restarts) {
        EXPECT_EQ(now.step[row].item<int64_t>(), 0);
        EXPECT_FALSE(now.last[row].item<bool>());
        EXPECT_EQ(now.discount[row].item<float>(), 1);
        EXPECT_EQ(now.episode[row].item<int64_t>(), before.episode[row].item<int64_t>() + batch);
      } else {
        EXPECT_TRUE(now.last[row].item<bool>());
        EXPECT_EQ(now.step[row].item<int64_t>(), step);
      }
    }
  }
}

TEST_P(EnvironmentContract, AnEpisodeIsTheSameInAnyBatch) {
  const std::unique_ptr<rl::Environment> other = GetParam().make();
  rl::TimeStep here = environment->reset(ids({4, 6, 1}));
  rl::TimeStep there = other->reset(ids({6, 2, 1, 9}));
  for (int64_t i = 0; i < enough_steps(); ++i) {
    expect_same(here, 1, there, 0);
    expect_same(here, 2, there, 2);
    // Which episode follows depends on the batch.
    if (environment->spec().restarts && here.last.any().item<bool>()) break;
    here = environment->step(some_actions(here));
    there = other->step(some_actions(there));
  }
}

TEST_P(EnvironmentContract, ResetBeginsTheSameEpisodesAgain) {
  const rl::TimeStep first = environment->reset(ids({4, 6}));
  environment->step(some_actions(first));
  const rl::TimeStep again = environment->reset(ids({4, 6}));
  for (int64_t row = 0; row < 2; ++row) expect_same(first, row, again, row);
}

TEST_P(EnvironmentContract, GoesOnWithTheRowsThatAreKept) {
  const std::unique_ptr<rl::Environment> whole = GetParam().make();
  rl::TimeStep all = whole->reset(ids({4, 6, 1}));
  rl::TimeStep some = environment->reset(ids({4, 6, 1}));
  all = whole->step(some_actions(all));
  some = environment->step(some_actions(some));
  const rl::Tensor rows = ids({2, 0}).to(some.episode.device());
  environment->keep(rows);
  some = rl::rows_of(some, rows);
  for (int64_t i = 0; i < enough_steps(); ++i) {
    expect_same(all, 2, some, 0);
    expect_same(all, 0, some, 1);
    all = whole->step(some_actions(all));
    some = environment->step(some_actions(some));
  }
}

TEST_P(EnvironmentContract, GoesOnFromWhatWasSaved) {
  rl::TimeStep here = environment->reset(ids({4, 6, 1}));
  here = environment->step(some_actions(here));
  rl::State saved;
  environment->save(saved);
  if (saved.tensors().empty()) {  // played in whole episodes
    EXPECT_THROW(environment->load(saved), std::logic_error);
    return;
  }
  const std::unique_ptr<rl::Environment> other = GetParam().make();
  rl::TimeStep there = other->load(saved);
  for (int64_t i = 0; i < enough_steps(); ++i) {
    for (int64_t row = 0; row < 3; ++row) expect_same(here, row, there, row);
    here = environment->step(some_actions(here));
    there = other->step(some_actions(there));
  }
}

TEST_P(EnvironmentContract, RefusesAStepBeforeReset) {
  EXPECT_THROW(environment->step(ids({0})), std::logic_error);
}

TEST_P(EnvironmentContract, RefusesAnActionOutsideItsSet) {
  for (const int64_t action : {int64_t{-1}, environment->spec().action_count}) {
    const rl::TimeStep now = environment->reset(ids({0, 1}));
    rl::Tensor actions = some_actions(now);
    actions[1] = action;
    EXPECT_THROW(environment->step(actions), std::invalid_argument) << action;
  }
}

TEST_P(EnvironmentContract, RefusesAnotherNumberOfActionsThanRows) {
  environment->reset(ids({0, 1}));
  EXPECT_THROW(environment->step(ids({0})), std::invalid_argument);
}
