#include "rl/check.h"

#include <gmock/gmock.h>

#include "rl/torch.h"

namespace rl {
namespace {

TEST(ExpectShape, AcceptsAnySizeWhereAsked) {
  EXPECT_NO_THROW(expect_shape(torch::zeros({2, 7}), {2, kAny}, "x"));
}

TEST(ExpectShape, NamesTensorExpectedAndFound) {
  try {
    expect_shape(torch::zeros({32, 128, 49}), {32, kAny, 50}, "prior_log_probs");
    FAIL() << "no error";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(), "prior_log_probs: expected shape [32, *, 50], found [32, 128, 49]");
  }
}

TEST(ExpectShape, RefusesAnAbsentTensor) {
  EXPECT_THROW(expect_shape(Tensor(), {1}, "x"), ShapeError);
}

}  // namespace
}  // namespace rl
