#include "rl/ops/returns.h"

#include <algorithm>
#include <string>

#include "rl/check.h"
#include "rl/torch.h"

namespace rl::ops {
namespace {

void check_shapes(const Tensor& reward, const Tensor& discount, const Tensor& last) {
  expect_shape(reward, {kAny, kAny}, "reward");
  expect_shape(discount, reward.sizes().vec(), "discount");
  expect_shape(last, reward.sizes().vec(), "last");
}

void check_value(const Tensor& reward, const Tensor& value, const char* name) {
  expect_shape(value, reward.sizes().vec(), name);
}

void check_lambda(double lambda, const char* function) {
  require(lambda >= 0 && lambda <= 1,
          std::string(function) + " needs 0 <= lambda <= 1, found " + std::to_string(lambda));
}

// 1 where something is carried over from the next step. Nothing follows the last column.
Tensor goes_on(const Tensor& last, const Tensor& like) {
  Tensor on = last.to(torch::kBool).logical_not();
  if (on.size(1) > 0) on.select(1, on.size(1) - 1).fill_(false);
  return on.to(like.scalar_type());
}

// x_t = base_t + carry_t x_{t+1}, from the end: float[B, T].
Tensor accumulated(const Tensor& base, const Tensor& carry) {
  Tensor result = torch::empty_like(base);
  Tensor following = torch::zeros({base.size(0)}, base.options());
  for (int64_t t = base.size(1) - 1; t >= 0; --t) {
    following = torch::addcmul(base.select(1, t), carry.select(1, t), following);
    result.select(1, t).copy_(following);
  }
  return result;
}

}  // namespace

Tensor next_column(const Tensor& x) {
  return torch::cat({x.slice(1, 1), torch::zeros_like(x.slice(1, 0, 1))}, 1);
}

Tensor discounted_returns(const Tensor& reward, const Tensor& discount, const Tensor& last,
                          const Tensor& next_value) {
  check_shapes(reward, discount, last);
  if (!next_value.defined()) {
    const torch::NoGradGuard no_grad;
    return accumulated(reward, discount * goes_on(last, reward));
  }
  return lambda_returns(reward, discount, last, next_value, 1);
}

NStepReturns n_step_returns(const Tensor& reward, const Tensor& discount, const Tensor& last,
                            const Tensor& next_value, int64_t n) {
  check_shapes(reward, discount, last);
  check_value(reward, next_value, "next_value");
  require(n >= 1, "n_step_returns needs n >= 1, found " + std::to_string(n));
  const torch::NoGradGuard no_grad;
  const Tensor on = goes_on(last, reward);
  const int64_t steps = reward.size(1);

  // m steps from t are one step from t and m - 1 from t + 1, where the episode goes on.
  const Tensor one_step = reward + discount * next_value;
  const Tensor here = torch::arange(steps, last.options().dtype(torch::kInt64)).expand_as(last);
  Tensor target = one_step, last_index = here;
  for (int64_t m = 2; m <= std::min(n, steps); ++m) {
    target = torch::where(on.to(torch::kBool), reward + discount * next_column(target), one_step);
    last_index = torch::where(on.to(torch::kBool), next_column(last_index), here);
  }
  return {target, last_index};
}

Tensor lambda_returns(const Tensor& reward, const Tensor& discount, const Tensor& last,
                      const Tensor& next_value, double lambda) {
  check_shapes(reward, discount, last);
  check_value(reward, next_value, "next_value");
  check_lambda(lambda, "lambda_returns");
  const torch::NoGradGuard no_grad;
  const Tensor carried = lambda * goes_on(last, reward);
  return accumulated(reward + discount * (1 - carried) * next_value, discount * carried);
}

Advantages generalized_advantage(const Tensor& reward, const Tensor& discount, const Tensor& last,
                                 const Tensor& value, const Tensor& next_value, double lambda) {
  check_shapes(reward, discount, last);
  check_value(reward, value, "value");
  check_value(reward, next_value, "next_value");
  check_lambda(lambda, "generalized_advantage");
  const torch::NoGradGuard no_grad;
  const Tensor advantage = accumulated(reward + discount * next_value - value,
                                       lambda * discount * goes_on(last, reward));
  return {advantage, advantage + value};
}

Advantages vtrace(const Tensor& log_ratio, const Tensor& reward, const Tensor& discount,
                  const Tensor& last, const Tensor& value, const Tensor& next_value,
                  const VtraceOptions& options) {
  check_shapes(reward, discount, last);
  check_value(reward, log_ratio, "log_ratio");
  check_value(reward, value, "value");
  check_value(reward, next_value, "next_value");
  check_lambda(options.lambda, "vtrace");
  require(options.rho_bar > 0 && options.c_bar > 0 && options.policy_rho_bar > 0,
          "vtrace needs rho_bar, c_bar and policy_rho_bar > 0");
  const torch::NoGradGuard no_grad;
  const Tensor ratio = log_ratio.exp(), on = goes_on(last, reward);
  const Tensor difference =
      ratio.clamp_max(options.rho_bar) * (reward + discount * next_value - value);
  const Tensor carried = options.lambda * ratio.clamp_max(options.c_bar) * discount * on;
  const Tensor target = value + accumulated(difference, carried);
  const Tensor next_target = torch::where(on.to(torch::kBool), next_column(target), next_value);
  const Tensor advantage = reward + discount * next_target - value;
  return {ratio.clamp_max(options.policy_rho_bar) * advantage, target};
}

}  // namespace rl::ops
