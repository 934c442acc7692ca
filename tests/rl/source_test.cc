#include "rl/source.h"

#include <gmock/gmock.h>

#include <numeric>
#include <set>

#include "rl/torch.h"
#include "tests/toy/echo_source.h"
#include "tests/toy/readout_policy.h"

namespace rl {
namespace {

std::vector<int64_t> episodes_of(const Trajectory& t) {
  const Tensor ids = t.episode.contiguous();
  return {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel()};
}

TEST(Recorded, GoesThroughAllEpisodesBeforeAnyComesAgain) {
  Recorded source(toy::make_batch(7, 3, 4, 1, false), 5);
  const auto first = episodes_of(source.collect(torch::arange(0, 7), 0));
  const auto second = episodes_of(source.collect(torch::arange(7, 14), 0));
  EXPECT_EQ(std::set(first.begin(), first.end()).size(), 7u);
  EXPECT_EQ(std::set(second.begin(), second.end()).size(), 7u);
  EXPECT_NE(first, second);
}

// What is collected depends on the ids alone, not on what was collected before.
TEST(Recorded, IsAFunctionOfTheEpisodeIds) {
  const Trajectory batch = toy::make_batch(7, 3, 4, 1, false);
  Recorded whole(batch, 5), parts(batch, 5);
  const auto all = episodes_of(whole.collect(torch::arange(0, 12), 0));
  auto joined = episodes_of(parts.collect(torch::arange(9, 12), 0));
  const auto head = episodes_of(parts.collect(torch::arange(0, 9), 0));
  joined.insert(joined.begin(), head.begin(), head.end());
  EXPECT_EQ(all, joined);
}

TEST(Pairs, AskBothSourcesForEveryPrompt) {
  Pairs source(std::make_unique<toy::Echo>(0), std::make_unique<toy::Echo>(1));
  const Trajectory t = source.collect(torch::arange(6, 10), 0);
  EXPECT_EQ(episodes_of(t), (std::vector<int64_t>{3, 3, 4, 4}));
  EXPECT_TRUE(t.second.equal(torch::tensor({false, true, false, true})));
  EXPECT_TRUE(t.action.select(1, 0).equal(torch::tensor({0, 1, 0, 1})));
}

// A batch may be cut anywhere, in the middle of a pair too.
TEST(Pairs, AreAFunctionOfTheEpisodeIds) {
  Pairs source(std::make_unique<toy::Echo>(0), std::make_unique<toy::Echo>(1));
  const Trajectory t = source.collect(torch::arange(7, 8), 0);
  EXPECT_EQ(episodes_of(t), (std::vector<int64_t>{3}));
  EXPECT_TRUE(t.second.all().item<bool>());
}

TEST(Mix, TellsBothSourcesWhatWasMeasured) {
  auto first = std::make_unique<toy::Echo>(0), second = std::make_unique<toy::Echo>(1);
  const toy::Echo *one = first.get(), *other = second.get();
  Mix source(
      std::move(first), std::move(second), [](double) { return 0.5; }, true, 1);
  source.measured(1.5);
  EXPECT_EQ(one->last_loss, 1.5);
  EXPECT_EQ(other->last_loss, 1.5);
}

// Episodes that carry their ids.
struct Numbered : Source {
  explicit Numbered(bool own) : own_(own) {}
  Trajectory collect(const Tensor& episodes, double) override {
    Trajectory t = toy::make_batch(episodes.size(0), own_ ? 3 : 2, 4, 1, false);
    t.episode = episodes;
    return t;
  }
  bool own_;
};

// A learner may cut what was collected: each part of it is then a mixture too.
TEST(Mix, KeepsTheOrderOfTheEpisodes) {
  Mix mix(
      std::make_unique<Numbered>(false), std::make_unique<Numbered>(true),
      [](double) { return 0.5; }, /*per_row=*/true, 3);
  const Trajectory t = mix.collect(torch::arange(20, 60), 0);
  std::vector<int64_t> expected(40);
  std::iota(expected.begin(), expected.end(), 20);
  EXPECT_EQ(episodes_of(t), expected);
  for (const int64_t begin : {0, 20}) {
    const int64_t own = t.second.narrow(0, begin, 20).sum().item<int64_t>();
    EXPECT_GE(own, 4);
    EXPECT_LE(own, 16);
  }
  // Rows go with their marks: only those of the second source are three steps long.
  EXPECT_FALSE((t.step_counts() > 2).logical_and(t.second.logical_not()).any().item<bool>());
}

}  // namespace
}  // namespace rl
