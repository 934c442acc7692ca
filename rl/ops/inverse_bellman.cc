#include "rl/ops/inverse_bellman.h"

#include <string>

#include "rl/check.h"
#include "rl/ops/returns.h"
#include "rl/torch.h"

namespace rl::ops {

Tensor inverse_bellman_rewards(const Tensor& q_taken, const Tensor& value, const Tensor& discount) {
  expect_shape(q_taken, {kAny, kAny}, "q_taken");
  expect_shape(value, q_taken.sizes().vec(), "value");
  expect_shape(discount, q_taken.sizes().vec(), "discount");
  return (q_taken - discount * next_column(value)).detach();
}

Tensor block_rewards(const Tensor& q_taken, const Tensor& value, const Tensor& discount,
                     const Tensor& last, int64_t steps) {
  require(steps >= 1, "block_rewards needs steps >= 1, found " + std::to_string(steps));
  if (steps == 1) return inverse_bellman_rewards(q_taken, value, discount);
  const torch::NoGradGuard no_grad;
  const Tensor none = torch::zeros_like(q_taken);
  const NStepReturns reached = n_step_returns(none, discount, last, next_column(value), steps);
  const Tensor product = n_step_returns(none, discount, last, torch::ones_like(none), steps).target;
  // Another block follows where the one from here is not the row's last.
  const Tensor follows = last.to(torch::kBool).logical_not().gather(1, reached.last_index);
  Tensor total = q_taken - reached.target;
  for (int64_t t = total.size(1) - 1 - steps; t >= 0; --t) {
    total.select(1, t).add_(product.select(1, t) * follows.select(1, t) *
                            total.select(1, t + steps));
  }
  const Tensor carried = discount * last.to(torch::kBool).logical_not();
  return total - carried * next_column(total);
}

}  // namespace rl::ops
