#include "agents/sampler.h"

#include <algorithm>
#include <limits>

#include "rl/check.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

Tensor keep_top_k(const Tensor& logits, int64_t k) {
  if (k <= 0 || k >= logits.size(-1)) return logits;
  const Tensor least = std::get<0>(logits.topk(k, -1)).narrow(-1, k - 1, 1);
  return logits.masked_fill(logits < least, kNothing);
}

// An action stays while the mass strictly before it is below p, so the likeliest always does.
Tensor keep_top_p(const Tensor& logits, double p) {
  if (p >= 1) return logits;
  const auto [sorted, order] = logits.softmax(-1).sort(-1, /*descending=*/true);
  const Tensor out = (sorted.cumsum(-1) - sorted) >= p;
  return logits.masked_fill(torch::zeros_like(out).scatter(-1, order, out), kNothing);
}

Tensor keep_min_p(const Tensor& logits, double p) {
  if (p <= 0) return logits;
  return logits.masked_fill(logits < logits.amax(-1, /*keepdim=*/true) + std::log(p), kNothing);
}

rl::Choice pick(const Tensor& ids, const Tensor& log_probs) {
  return {ids, log_probs.gather(-1, ids.unsqueeze(-1)).squeeze(-1)};
}

}  // namespace

void SamplingOptions::validate() const {
  const auto number = [](double x) { return std::to_string(x); };
  rl::require(temperature >= 0, "temperature must be >= 0, found " + number(temperature));
  rl::require(top_k >= 0, "top_k must be >= 0, found " + std::to_string(top_k));
  rl::require(top_p > 0 && top_p <= 1, "top_p must be in (0, 1], found " + number(top_p));
  rl::require(min_p >= 0 && min_p <= 1, "min_p must be in [0, 1], found " + number(min_p));
}

Tensor filtered_log_probs(const Tensor& logits, const SamplingOptions& options) {
  const Tensor row = logits.to(torch::kFloat32);
  if (options.temperature == 0) {
    const Tensor best = row.argmax(-1, /*keepdim=*/true);
    return torch::full_like(row, kNothing).scatter(-1, best, 0);
  }
  const Tensor warm = options.temperature == 1 ? row : row / options.temperature;
  return keep_min_p(keep_top_p(keep_top_k(warm, options.top_k), options.top_p), options.min_p)
      .log_softmax(-1);
}

rl::Choice draw(const Tensor& log_probs, const Tensor& uniform) {
  const Tensor cumulative = log_probs.exp().cumsum(-1);
  const Tensor total = cumulative.narrow(-1, cumulative.size(-1) - 1, 1);
  // Strictly below the total, so that the draw falls on an action of positive probability.
  const Tensor below = std::numeric_limits<float>::epsilon() * total;
  const Tensor point =
      torch::minimum(uniform.unsqueeze(-1).to(torch::kFloat32) * total, total - below);
  const Tensor ids = torch::searchsorted(cumulative, point.contiguous(), /*out_int32=*/false,
                                         /*right=*/true);
  return pick(ids.squeeze(-1).clamp_max(log_probs.size(-1) - 1), log_probs);
}

rl::Choice on_host(const rl::Choice& choice) {
  return {choice.action_ids.cpu(), choice.log_prob.cpu()};
}

rl::Choice sample(const Tensor& logits, const SamplingOptions& options, const Tensor& uniform) {
  rl::expect_shape(logits, {rl::kAny, rl::kAny}, "logits");
  rl::expect_shape(uniform, {logits.size(0)}, "uniform");
  if (options.temperature == 0) {
    const Tensor row = logits.to(torch::kFloat32);
    return on_host(pick(row.argmax(-1), row.log_softmax(-1)));
  }
  return on_host(draw(filtered_log_probs(logits, options), uniform.to(logits.device())));
}

}  // namespace agents
