#include "rl/ops/value.h"

#include <cmath>
#include <string>

#include "rl/check.h"
#include "rl/ops/masked.h"
#include "rl/ops/returns.h"
#include "rl/torch.h"

namespace rl::ops {
namespace {

std::vector<int64_t> states_of(const Tensor& q) { return q.sizes().slice(0, q.dim() - 1).vec(); }

Tensor zero_like(const Tensor& x) { return torch::zeros({}, x.options().requires_grad(false)); }

// V of the state that each step reaches, and 0 where the discount is 0.
Tensor next_values(const Tensor& value, const Tensor& discount) {
  const int64_t steps = discount.size(1);
  const Tensor next = value.size(1) == steps + 1 ? value.narrow(1, 1, steps) : next_column(value);
  return masked(next, discount);
}

}  // namespace

Tensor soft_value(const Tensor& q, const Tensor& tail_q, double entropy_temperature) {
  require(entropy_temperature > 0,
          "soft_value needs entropy_temperature > 0, found " + std::to_string(entropy_temperature));
  Tensor all = q;
  if (tail_q.defined()) {
    expect_shape(tail_q, states_of(q), "tail_q");
    all = torch::cat({q, tail_q.unsqueeze(-1)}, -1);
  }
  // A state without actions would have the gradient exp(-inf + inf).
  const Tensor nothing = all.isneginf().all(-1);
  const Tensor safe = all.masked_fill(nothing.unsqueeze(-1), 0) / entropy_temperature;
  return (entropy_temperature * safe.logsumexp(-1)).masked_fill(nothing, -INFINITY);
}

Tensor greedy_value(const Tensor& q) { return std::get<0>(q.max(-1)); }

Tensor mean_value(const Tensor& q) {
  const Tensor empty = q.isneginf();
  return q.masked_fill(empty, 0).sum(-1) / empty.logical_not().sum(-1).clamp_min(1);
}

Tensor softmax_value(const Tensor& q) {
  const Tensor empty = q.isneginf();
  return (q.softmax(-1) * q.masked_fill(empty, 0)).sum(-1);
}

Tensor double_greedy_value(const Tensor& online_q, const Tensor& target_q) {
  expect_shape(target_q, online_q.sizes().vec(), "target_q");
  return target_q.gather(-1, online_q.argmax(-1, /*keepdim=*/true)).squeeze(-1);
}

Tensor td_target(const Tensor& reward, const Tensor& discount, const Tensor& next_value) {
  expect_shape(discount, reward.sizes().vec(), "discount");
  expect_shape(next_value, reward.sizes().vec(), "next_value");
  return reward + discount * masked(next_value, discount);
}

Tensor huber(const Tensor& error, double delta) {
  require(delta > 0, "huber needs delta > 0, found " + std::to_string(delta));
  const Tensor size = error.abs();
  return torch::where(size.le(delta), error.square() / 2, delta * (size - delta / 2));
}

Tensor gauge_shift(Gauge gauge, const Tensor& max_logit, const Tensor& log_normalizer) {
  switch (gauge) {
    case Gauge::raw:
      return {};
    case Gauge::max_shift:
      require(max_logit.defined(), "the gauge max_shift needs the largest logit of all actions");
      return max_logit;
    case Gauge::log_softmax:
      require(log_normalizer.defined(), "the gauge log_softmax needs the log-normaliser");
      return log_normalizer;
  }
  throw std::invalid_argument("gauge_shift: unknown gauge");
}

Tensor gauged(const Tensor& logits, const Tensor& shift, std::optional<double> q_min) {
  Tensor q = logits;
  if (shift.defined()) {
    const bool per_state = shift.dim() == logits.dim();
    expect_shape(shift, per_state ? logits.sizes().vec() : states_of(logits), "shift");
    q = q - (per_state ? shift : shift.unsqueeze(-1));
  }
  if (q_min) q = q.clamp_min(*q_min);
  return q.masked_fill(logits.isneginf(), -INFINITY);
}

TdDistillation td_distillation(const Tensor& q_taken, const Tensor& value, const Tensor& support,
                               const Tensor& discount, const Tensor& mask,
                               const TdDistillationOptions& options, const Tensor& reached_value) {
  expect_shape(q_taken, {kAny, kAny}, "q_taken");
  const int64_t rows = q_taken.size(0), steps = q_taken.size(1);
  expect_shape(value, {rows, value.dim() == 2 && value.size(1) == steps + 1 ? steps + 1 : steps},
               "value");
  expect_shape(discount, {rows, steps}, "discount");
  expect_shape(mask, {rows, steps}, "mask");
  if (support.defined()) expect_shape(support, {rows, steps}, "support");
  if (reached_value.defined()) expect_shape(reached_value, value.sizes().vec(), "reached_value");
  require(options.alpha > 0,
          "td_distillation needs alpha > 0, found " + std::to_string(options.alpha));

  // Masked first: what lies outside may be infinite.
  const Tensor q = masked(q_taken, mask);
  const Tensor v = masked(value.narrow(1, 0, steps), mask);
  const Tensor& reached = reached_value.defined() ? reached_value : value;
  const Tensor v_next = masked(next_values(reached, discount), mask);
  TdDistillation result;
  result.implied_reward = q - discount * v_next;
  result.likelihood = v - q;
  result.chi2 = options.chi2 ? result.implied_reward.square() / (4 * options.alpha)
                             : zero_like(q).expand_as(q);
  result.support = support.defined() ? masked(support, mask) : zero_like(q).expand_as(q);
  result.loss = result.likelihood + result.chi2 + result.support;
  return result;
}

}  // namespace rl::ops
