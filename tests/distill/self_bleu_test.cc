#include "distill/self_bleu.h"

#include <gtest/gtest.h>

#include <cmath>

namespace distill {
namespace {

// Worked by hand. Text 0 is a b c d, text 1 a b e, text 2 f. For text 0: one token, a and b of four are in the
// others: 2/4; pairs ab, bc, cd: one match of three, with 1 added (1 + 1) / (3 + 1). The nearest length is
// 3, which is shorter: no penalty.
TEST(SelfBleu, IsThatOfAHandWorkedExample) {
  const auto found = self_bleu({{1, 2, 3, 4}, {1, 2, 5}, {6}}, 2);
  EXPECT_NEAR(found[0], std::sqrt(2.0 / 4 * 2.0 / 4), 1e-12);
  // a, b of three; ab of two pairs; four tokens and one are nearest to three by one and by two.
  EXPECT_NEAR(found[1], std::exp(1 - 4.0 / 3) * std::sqrt(2.0 / 3 * 2.0 / 3), 1e-12);
  EXPECT_EQ(found[2], 0);
}

TEST(SelfBleu, IsOneForTheSameTexts) {
  const auto found = self_bleu({{1, 2, 3}, {1, 2, 3}}, 3);
  EXPECT_NEAR(found[0], 1, 1e-12);
  EXPECT_NEAR(found[1], 1, 1e-12);
}

TEST(SelfBleu, CountsARepeatedTokenAsOftenAsAnotherTextHasIt) {
  EXPECT_NEAR(self_bleu({{1, 1, 1, 1}, {1, 1, 2, 3}}, 1)[0], 2.0 / 4, 1e-12);
}

TEST(SelfBleu, IsNothingForATextWithoutTokensOrOthers) {
  EXPECT_EQ(self_bleu({{}, {1}}, 2)[0], 0);
  EXPECT_EQ(self_bleu({{1, 2}}, 2)[0], 0);
}

TEST(DistinctShare, CountsSequencesThatDiffer) {
  EXPECT_NEAR(distinct_share({{1, 2, 1, 2}, {1, 2}}, 2), 2.0 / 4, 1e-12);
  EXPECT_EQ(distinct_share({{1}}, 2), 0);
}

}  // namespace
}  // namespace distill
