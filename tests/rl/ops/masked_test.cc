#include "rl/ops/masked.h"

#include <gmock/gmock.h>

#include <cmath>

#include "rl/check.h"
#include "rl/torch.h"

namespace rl::ops {
namespace {

const Tensor kMask = torch::tensor({{1, 1, 0}, {1, 0, 0}, {0, 0, 0}});
const float kNan = std::nanf("");

Tensor values() { return torch::tensor({{1.F, 2.F, kNan}, {6.F, kNan, kNan}, {kNan, 1.F, 1.F}}); }

TEST(MaskedRowMean, IsOfEachRowAndOfEachThingInIt) {
  const Tensor x = torch::tensor({{{1.F, 10.F}, {3.F, 30.F}}, {{5.F, 50.F}, {std::nanf(""), 0.F}}});
  const Tensor mask = torch::tensor({{true, true}, {true, false}});
  EXPECT_TRUE(masked_row_mean(x, mask).equal(torch::tensor({{2.F, 20.F}, {5.F, 50.F}})));
  const Tensor none = torch::zeros({2, 2}, torch::kBool);
  EXPECT_TRUE(masked_row_mean(x.select(-1, 1), none).equal(torch::zeros({2})));
}

TEST(MaskedMean, AveragesOverAllStepsThatCount) {
  EXPECT_FLOAT_EQ(masked_mean(values(), kMask).item<float>(), 3);
  EXPECT_FLOAT_EQ(masked_sum(values(), kMask).item<float>(), 9);
}

TEST(MaskedMean, TakesBoolAndNumbersAlike) {
  EXPECT_FLOAT_EQ(masked_mean(values(), kMask.to(torch::kBool)).item<float>(), 3);
  EXPECT_FLOAT_EQ(masked_mean(values(), kMask.to(torch::kFloat32)).item<float>(), 3);
}

TEST(MaskedMean, OfNothingIsZero) {
  EXPECT_EQ(masked_mean(values(), torch::zeros_like(kMask)).item<float>(), 0);
  EXPECT_EQ(masked_sequence_mean(values(), torch::zeros_like(kMask)).item<float>(), 0);
}

TEST(MaskedMean, GivesNoGradientWhereNothingCounts) {
  const Tensor x = values().requires_grad_();
  masked_mean(x, kMask).backward();
  EXPECT_TRUE(x.grad().allclose(kMask.to(torch::kFloat32) / 3));
}

TEST(MaskedMean, RefusesAMaskOfAnotherShape) {
  EXPECT_THROW(masked_mean(values(), torch::ones({3, 2})), ShapeError);
}

TEST(MaskedSequenceMean, WeighsEveryRowAlikeAndLeavesEmptyRowsOut) {
  EXPECT_FLOAT_EQ(masked_sequence_mean(values(), kMask).item<float>(), (1.5F + 6.F) / 2);
}

TEST(MaskedStd, OfSampleAndPopulation) {
  const Tensor x = torch::tensor({1.F, 3.F, kNan});
  const Tensor mask = torch::tensor({1, 1, 0});
  EXPECT_FLOAT_EQ(masked_std(x, mask, 1).item<float>(), std::sqrt(2.F));
  EXPECT_FLOAT_EQ(masked_std(x, mask, 0).item<float>(), 1);
}

}  // namespace
}  // namespace rl::ops
