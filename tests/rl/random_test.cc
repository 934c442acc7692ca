#include "rl/random.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "rl/torch.h"

namespace rl {
namespace {

using testing::ElementsAre;

// Known answers of the Random123 distribution.
TEST(Philox, GivesThePublishedNumbers) {
  EXPECT_THAT(philox({0, 0, 0, 0}, {0, 0}),
              ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(Uniform, IsAFunctionOfItsPlaceAndNotOfTheBatch) {
  const uint64_t key = role_key(7, "sampler");
  const Tensor episode = torch::tensor({3, 1, 4}, torch::kInt64);
  const Tensor step = torch::tensor({0, 9, 2}, torch::kInt64);
  const Tensor batch = uniform(key, episode, step);
  EXPECT_EQ(batch[1].item<double>(), uniform(key, 1, 9));
  EXPECT_EQ(uniform(key, episode.flip(0), step.flip(0))[0].item<double>(), batch[2].item<double>());
}

TEST(Uniform, DiffersBetweenRolesSeedsEpisodesAndSteps) {
  const uint64_t key = role_key(7, "sampler");
  EXPECT_NE(uniform(key, 1, 1), uniform(role_key(7, "reset"), 1, 1));
  EXPECT_NE(uniform(key, 1, 1), uniform(role_key(8, "sampler"), 1, 1));
  EXPECT_NE(uniform(key, 1, 1), uniform(key, 2, 1));
  EXPECT_NE(uniform(key, 1, 1), uniform(key, 1, 2));
}

TEST(Uniform, HasTheMomentsOfAUniform) {
  double sum = 0, squares = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const double u = uniform(role_key(1, "x"), static_cast<uint64_t>(i), 0);
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    sum += u;
    squares += u * u;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.005);  // five standard errors
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 0.005);
}

TEST(Permutation, HoldsEveryNumberOnceAndChangesWithTheEpoch) {
  const std::vector<int64_t> first = permutation(100, 5, 0), second = permutation(100, 5, 1);
  EXPECT_NE(first, second);
  EXPECT_EQ(first, permutation(100, 5, 0));
  std::vector<int64_t> sorted = first;
  std::sort(sorted.begin(), sorted.end());
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(sorted[static_cast<size_t>(i)], i);
}

}  // namespace
}  // namespace rl
