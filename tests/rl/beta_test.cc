#include "rl/beta.h"

#include <gmock/gmock.h>

namespace rl {
namespace {

struct Moments {
  double mean, variance;
};

Moments moments(double shape) {
  constexpr uint64_t kDraws = 20000;
  double sum = 0, squares = 0;
  for (uint64_t episode = 0; episode < kDraws; ++episode) {
    const double x = symmetric_beta(shape, 7, episode);
    EXPECT_GE(x, 0);
    EXPECT_LE(x, 1);
    sum += x;
    squares += x * x;
  }
  const double mean = sum / kDraws;
  return {mean, squares / kDraws - mean * mean};
}

// Mean 1/2, variance 1 / (4 (2 a + 1)).
TEST(SymmetricBeta, HasTheMomentsOfItsShape) {
  for (const double shape : {0.05, 0.4, 1.0, 3.0, 50.0}) {
    const Moments found = moments(shape);
    EXPECT_NEAR(found.mean, 0.5, 0.015) << shape;
    EXPECT_NEAR(found.variance * 4 * (2 * shape + 1), 1, 0.05) << shape;
  }
}

TEST(SymmetricBeta, IsAFunctionOfKeyAndEpisode) {
  EXPECT_EQ(symmetric_beta(0.4, 1, 5), symmetric_beta(0.4, 1, 5));
  EXPECT_NE(symmetric_beta(0.4, 1, 5), symmetric_beta(0.4, 1, 6));
  EXPECT_NE(symmetric_beta(0.4, 1, 5), symmetric_beta(0.4, 2, 5));
}

TEST(SymmetricBeta, RefusesAShapeThatIsNotPositive) {
  EXPECT_THROW(symmetric_beta(0, 1, 1), std::invalid_argument);
}

}  // namespace
}  // namespace rl
