#include "rl/ops/mixture.h"

#include "rl/torch.h"

namespace rl::ops {

Tensor mixture(const std::vector<Tensor>& log_probs, const Tensor& log_weights) {
  Tensor sum;
  for (size_t k = 0; k < log_probs.size(); ++k) {
    const Tensor weight = log_weights.narrow(-1, static_cast<int64_t>(k), 1);
    const Tensor part = log_probs[k] + weight;
    sum = sum.defined() ? torch::logaddexp(sum, part) : part;
  }
  return sum;
}

Tensor subset_log_prob(const Tensor& logits, const Tensor& chosen) {
  return torch::where(chosen, torch::log_sigmoid(logits), torch::log_sigmoid(-logits)).sum(-1);
}

Tensor never_empty(const Tensor& logits, const Tensor& chosen) {
  const Tensor likeliest =
      torch::zeros_like(chosen).scatter(-1, logits.argmax(-1, /*keepdim=*/true), true);
  return torch::where(chosen.any(-1, /*keepdim=*/true), chosen, likeliest);
}

Tensor even_log_weights(const Tensor& chosen) {
  const Tensor member = chosen.to(torch::kFloat64);
  return (member / member.sum(-1, /*keepdim=*/true)).log();
}

}  // namespace rl::ops
