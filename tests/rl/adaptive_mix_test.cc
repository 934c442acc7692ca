#include "rl/adaptive_mix.h"

#include <gmock/gmock.h>

#include <set>

#include "rl/torch.h"
#include "tests/toy/echo_source.h"

namespace rl {
namespace {

std::vector<double> shares(AdaptiveShareOptions options, const std::vector<double>& losses) {
  AdaptiveShare share(options);
  std::vector<double> values;
  for (const double loss : losses) {
    share.measured(loss);
    values.push_back(share.value());
  }
  return values;
}

// SCH-1 of the notes: 2.0 is measured before the training.
const std::vector<double> kLosses = {2.0, 1.90, 2.05, 2.12, 2.20, 2.30};

TEST(AdaptiveShare, GrowsWhereTheLossHasRisenSinceTheLastRise) {
  EXPECT_THAT(shares({}, kLosses),
              testing::Pointwise(testing::DoubleNear(1e-12), {0.0, 0.0, 0.0, 0.1, 0.1, 0.2}));
}

TEST(AdaptiveShare, GrowsAgainstTheLossBeforeInThePapersForm) {
  EXPECT_THAT(shares({.against_last = true}, kLosses),
              testing::Pointwise(testing::DoubleNear(1e-12), {0.0, 0.0, 0.1, 0.1, 0.1, 0.1}));
}

TEST(AdaptiveShare, EndsAtOne) {
  EXPECT_EQ(shares({.first = 0.8, .step = 0.3}, {1, 2, 3}).back(), 1);
}

TEST(AdaptiveShare, RefusesWhatIsOutOfRange) {
  EXPECT_THROW(AdaptiveShare({.first = 1.5}), std::invalid_argument);
  EXPECT_THROW(AdaptiveShare({.step = 0}), std::invalid_argument);
}

// RT-1 of the notes: a share of .4, a quarter of the training done.
TEST(AdaptiveMix, TakesTurnsByOneDraw) {
  const double fresh = AdaptiveMixOptions().fresh(0.25);
  EXPECT_EQ(AdaptiveMix::turn(.10, .4, fresh, true), Turn::kFresh);
  EXPECT_EQ(AdaptiveMix::turn(.35, .4, fresh, true), Turn::kReplay);
  EXPECT_EQ(AdaptiveMix::turn(.35, .4, fresh, false), Turn::kFresh);
  EXPECT_EQ(AdaptiveMix::turn(.60, .4, fresh, true), Turn::kFirst);
}

AdaptiveMix make_mix(const AdaptiveMixOptions& options, uint64_t seed = 3) {
  return {std::make_unique<toy::Echo>(0), std::make_unique<toy::Echo>(1), options, seed};
}

int64_t writer(const Trajectory& t) { return t.action[0][0].item<int64_t>(); }

TEST(AdaptiveMix, StaysWithTheFirstSourceUntilTheLossRises) {
  AdaptiveMix source = make_mix({.share = {.step = 1}});
  for (int64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(writer(source.collect(torch::arange(4 * i, 4 * i + 4), 0)), 0);
  }
  source.measured(1.0);
  source.measured(2.0);
  EXPECT_EQ(source.share(), 1);
  EXPECT_EQ(writer(source.collect(torch::arange(80, 84), 0)), 1);
}

TEST(AdaptiveMix, ReplaysWhatItWroteOnceItsMemoryIsFull) {
  AdaptiveMix source =
      make_mix({.share = {.first = 1}, .fresh = [](double) { return 0; }, .capacity = 8});
  for (int64_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(source.collect(torch::arange(4 * i, 4 * i + 4), 0)
                    .episode.equal(torch::arange(4 * i, 4 * i + 4)));
  }
  std::set<int64_t> seen;
  for (int64_t i = 2; i < 20; ++i) {
    const Trajectory t = source.collect(torch::arange(4 * i, 4 * i + 4), 0);
    EXPECT_TRUE(t.second.all().item<bool>());
    EXPECT_FALSE(t.own.any().item<bool>());
    for (int64_t row = 0; row < 4; ++row) seen.insert(t.episode[row].item<int64_t>());
  }
  EXPECT_EQ(seen, (std::set<int64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
}

TEST(AdaptiveMix, DrawsAlsoAfterWritingInThePapersForm) {
  AdaptiveMix source = make_mix({.share = {.first = 1}, .capacity = 64, .draw_always = true});
  source.collect(torch::arange(0, 32), 0);
  const Trajectory t = source.collect(torch::arange(32, 64), 0);
  EXPECT_LT(t.episode.min().item<int64_t>(), 32) << "none of the first batch was drawn";
}

TEST(AdaptiveMix, GoesOnFromWhereItWasSaved) {
  const AdaptiveMixOptions options{.share = {.first = 0.5}, .capacity = 8};
  const auto play = [](AdaptiveMix& source, int64_t begin, int64_t end) {
    std::vector<int64_t> episodes;
    for (int64_t i = begin; i < end; ++i) {
      source.measured(static_cast<double>(i));
      const Trajectory t = source.collect(torch::arange(4 * i, 4 * i + 4), 0.9);
      for (int64_t row = 0; row < 4; ++row) episodes.push_back(t.episode[row].item<int64_t>());
    }
    return episodes;
  };
  AdaptiveMix whole = make_mix(options), before = make_mix(options), after = make_mix(options);
  play(whole, 0, 6);
  play(before, 0, 6);
  State state;
  before.save(state);
  after.load(state);
  EXPECT_EQ(after.share(), whole.share());
  EXPECT_EQ(play(after, 6, 20), play(whole, 6, 20));
}

TEST(AdaptiveMix, RefusesABatchLargerThanItsMemory) {
  AdaptiveMix source = make_mix({.share = {}, .capacity = 3});
  EXPECT_THROW(source.collect(torch::arange(4), 0), std::invalid_argument);
}

}  // namespace
}  // namespace rl
