#include "rl/ops/cross_vocabulary.h"

#include <algorithm>

#include "rl/ops/divergence.h"
#include "rl/torch.h"

namespace rl::ops {
namespace {

Tensor padded(const Tensor& x, int64_t size) {
  return torch::constant_pad_nd(x, {0, size - x.size(-1)});
}

Tensor descending(const Tensor& x) { return std::get<0>(x.sort(-1, /*descending=*/true)); }

// Of probabilities, which need not sum to 1.
Tensor sorted_l1(const Tensor& p, const Tensor& q) {
  const int64_t size = std::max(p.size(-1), q.size(-1));
  return (padded(descending(q), size) - padded(descending(p), size)).abs().sum(-1);
}

}  // namespace

Tensor sorted_distance(const Tensor& log_p, const Tensor& log_q) {
  return sorted_l1(log_p.detach().exp(), log_q.exp());
}

Tensor hybrid_distance(const Tensor& log_p, const Tensor& log_q, const HybridOptions& options) {
  const int64_t actions = log_q.size(-1);
  const Tensor known = log_p.detach(), shared = known.narrow(-1, 0, actions);
  const Tensor has = shared.select(0, 0).isneginf().logical_not();
  const Tensor matched = has.nonzero().squeeze(1), alone = has.logical_not().nonzero().squeeze(1);
  const Tensor others = known.narrow(-1, actions, known.size(-1) - actions).exp();
  const double both = static_cast<double>(matched.size(0));
  const double share = both / std::max(1.0, both + static_cast<double>(others.size(-1)));
  const double weight = options.matched_weight.value_or(share);
  const Tensor jsd = generalized_jsd(shared.index_select(-1, matched),
                                     log_q.index_select(-1, matched), options.beta, false);
  return weight * jsd + (1 - weight) * sorted_l1(others, log_q.index_select(-1, alone).exp());
}

}  // namespace rl::ops
