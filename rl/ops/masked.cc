#include "rl/ops/masked.h"

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

Tensor masked_sequence_mean(const Tensor& values, const Tensor& mask) {
  expect_shape(values, {kAny, kAny}, "values");
  const Tensor steps = counts(values, mask).sum(-1);
  const Tensor means = masked(values, mask).sum(-1) / steps.clamp_min(1);
  return means.sum() / steps.gt(0).sum().clamp_min(1);
}

Tensor masked_std(const Tensor& values, const Tensor& mask, int64_t correction) {
  const Tensor centred = masked(values - masked_mean(values, mask), mask);
  const Tensor freedom = (counts(values, mask).sum() - correction).clamp_min(1);
  return (centred.square().sum() / freedom).sqrt();
}

}  // namespace rl::ops
