#include "rl/ops/ranking.h"

#include <algorithm>
#include <limits>

#include "rl/ops/divergence.h"
#include "rl/torch.h"

namespace rl::ops {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The nearest non-increasing sequence to each row's first `count` values: the minimum over beginnings
// j <= i of the maximum over ends k >= i of the mean of values j .. k.
Tensor isotonic(const Tensor& values, const Tensor& count) {
  const int64_t m = values.size(-1);
  const Tensor place = torch::arange(m, count.options());
  const Tensor sums = torch::constant_pad_nd(values.cumsum(-1), {1, 0});
  const Tensor begin = place.view({1, m, 1}), end = place.view({1, 1, m});
  const Tensor length = (end - begin + 1).clamp_min(1).to(values.scalar_type());
  const Tensor means =
      (sums.narrow(1, 1, m).unsqueeze(1) - sums.narrow(1, 0, m).unsqueeze(2)) / length;
  const Tensor possible = (end >= begin).logical_and(end < count.view({-1, 1, 1}));
  const Tensor open = means.masked_fill(possible.logical_not(), -kInfinity);
  // [n, j, i]: the largest mean of values j .. k with k >= i.
  const Tensor largest = std::get<0>(open.flip(-1).cummax(-1)).flip(-1);
  const Tensor closed = largest.masked_fill((end < begin).expand_as(largest), kInfinity);
  return std::get<0>(closed.min(1));
}

// Deviations from the mean of the values that count, scaled to length 1; 0 where all are alike.
Tensor unit_deviations(const Tensor& values, const Tensor& valid) {
  const Tensor weight = valid.to(values.scalar_type());
  const Tensor mean =
      (values * weight).sum(-1, /*keepdim=*/true) / weight.sum(-1, /*keepdim=*/true).clamp_min(1);
  const Tensor centred = (values - mean) * weight;
  const Tensor squares = centred.square().sum(-1, /*keepdim=*/true);
  // Ranks that differ at all differ by far more than rounding.
  const Tensor alike = squares < 1e-12;
  return torch::where(alike, torch::zeros_like(centred),
                      centred / squares.masked_fill(alike, 1).sqrt());
}

}  // namespace

Union union_of_top(const Tensor& p, const Tensor& q, int64_t k) {
  const int64_t slots = std::min(k, p.size(-1));
  const Tensor of_p = std::get<1>(p.topk(slots, -1)), of_q = std::get<1>(q.topk(slots, -1));
  const Tensor ids = torch::cat({of_p, of_q}, -1);
  const Tensor shared = (of_q.unsqueeze(-1) == of_p.unsqueeze(-2)).any(-1);
  const Tensor once = torch::cat({torch::ones_like(shared), shared.logical_not()}, -1);
  const Tensor there = p.isneginf().logical_and(q.isneginf()).logical_not().gather(-1, ids);
  const Tensor common = shared.logical_and(there.narrow(-1, slots, slots));
  return {ids, once.logical_and(there), common.to(q.scalar_type()).mean(-1)};
}

Tensor soft_ranks(const Tensor& values, const Tensor& valid) {
  const auto [sorted, order] =
      values.masked_fill(valid.logical_not(), -kInfinity).sort(-1, /*descending=*/true);
  const Tensor count = valid.sum(-1, /*keepdim=*/true);
  const Tensor counts = valid.gather(-1, order);
  const Tensor rank = count - torch::arange(values.size(-1), count.options());
  const Tensor above = sorted.masked_fill(counts.logical_not(), 0) - rank;
  const Tensor fitted = isotonic(above.masked_fill(counts.logical_not(), 0), count.squeeze(-1));
  const Tensor ranks = (sorted - fitted).masked_fill(counts.logical_not(), 0);
  return torch::zeros_like(values).scatter(-1, order, ranks);
}

Tensor rank_disagreement(const Tensor& p, const Tensor& q, const Union& among) {
  const auto ranks = [&](const Tensor& scores) {
    const Tensor picked = scores.gather(-1, among.ids).to(torch::kFloat64);
    return unit_deviations(soft_ranks(picked.masked_fill(picked.isneginf(), kLogZero), among.valid),
                           among.valid);
  };
  const Tensor of_p = ranks(p), of_q = ranks(q);
  const Tensor told = of_p.ne(0).any(-1).logical_and(of_q.ne(0).any(-1));
  const Tensor disagreement = 1 - (of_p * of_q).sum(-1);
  return torch::where(told, disagreement, torch::zeros_like(disagreement)).to(q.scalar_type());
}

}  // namespace rl::ops
