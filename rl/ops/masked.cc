#include "rl/ops/masked.h"

#include <vector>

#include "rl/check.h"
#include "rl/torch.h"

namespace rl::ops {
namespace {

Tensor counts(const Tensor& values, const Tensor& mask) {
  expect_shape(mask, values.sizes().vec(), "mask");
  return mask.to(torch::kBool);
}

}  // namespace

Tensor masked(const Tensor& values, const Tensor& mask) {
  return torch::where(counts(values, mask), values, torch::zeros({}, values.options()));
}

Tensor masked_sum(const Tensor& values, const Tensor& mask) { return masked(values, mask).sum(); }

Tensor masked_mean(const Tensor& values, const Tensor& mask) {
  return masked_sum(values, mask) / counts(values, mask).sum().clamp_min(1);
}

Tensor masked_row_mean(const Tensor& values, const Tensor& mask) {
  expect_shape(mask, {values.size(0), values.size(1)}, "mask");
  std::vector<int64_t> shape = mask.sizes().vec();
  shape.resize(static_cast<size_t>(values.dim()), 1);
  const Tensor used = mask.to(torch::kBool).view(shape);
  return masked(values, used.expand_as(values)).sum(1) / used.sum(1).clamp_min(1);
}

Tensor masked_sequence_mean(const Tensor& values, const Tensor& mask) {
  expect_shape(values, {kAny, kAny}, "values");
  const Tensor rows = counts(values, mask).any(-1).sum();
  return masked_row_mean(values, mask).sum() / rows.clamp_min(1);
}

Tensor masked_std(const Tensor& values, const Tensor& mask, int64_t correction) {
  const Tensor centred = masked(values - masked_mean(values, mask), mask);
  const Tensor freedom = (counts(values, mask).sum() - correction).clamp_min(1);
  return (centred.square().sum() / freedom).sqrt();
}

}  // namespace rl::ops
