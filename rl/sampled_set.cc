#include "rl/sampled_set.h"

#include "rl/check.h"
#include "rl/torch.h"

namespace rl {

ActionSet counted_set(const Tensor& ids, const Tensor& counts) {
  expect_shape(counts, ids.sizes().vec(), "counts");
  const Tensor shares = counts.to(torch::kFloat64) / counts.sum(-1, /*keepdim=*/true);
  const Tensor outside = torch::full(counts.sizes().slice(0, counts.dim() - 1), -INFINITY,
                                     shares.options().dtype(torch::kFloat32));
  return {ids.masked_fill(counts == 0, -1), shares.log().to(torch::kFloat32), outside, {}, nullptr};
}

ActionSet sampled_set(const Tensor& log_probs, const Tensor& uniform) {
  const Tensor mass = log_probs.to(torch::kFloat64).exp().cumsum(-1);
  // Rounding may leave the last sum below 1; an action of probability 0 is never drawn.
  const Tensor threshold = uniform.to(mass.device()) * mass.narrow(-1, mass.size(-1) - 1, 1);
  const Tensor drawn = torch::searchsorted(mass, threshold, /*out_int32=*/false, /*right=*/true)
                           .clamp_max(mass.size(-1) - 1);
  const Tensor sorted = std::get<0>(drawn.sort(-1));
  const Tensor before = torch::constant_pad_nd(sorted.slice(-1, 0, -1), {1, 0}, -1);
  const Tensor repeats = (sorted.unsqueeze(-1) == sorted.unsqueeze(-2)).sum(-1);
  const Tensor counts = repeats.masked_fill(sorted == before, 0);
  const auto [most, order] = counts.sort(/*stable=*/true, -1, /*descending=*/true);
  return counted_set(sorted.gather(-1, order), most);
}

}  // namespace rl
