#include "rl/ops/policy_gradient.h"

#include <string>

#include "rl/check.h"
#include "rl/ops/masked.h"
#include "rl/torch.h"

namespace rl::ops {
namespace {

// Keeps the quotient finite where all advantages are equal.
constexpr double kMinDeviation = 1e-8;
constexpr double kMinVariance = 1e-8;

Tensor log_ratio(const Tensor& log_prob, const Tensor& old_log_prob) {
  expect_shape(old_log_prob, log_prob.sizes().vec(), "old_log_prob");
  return log_prob - old_log_prob.detach();
}

// Sums over the groups of episodes, given back to each of them.
class Groups {
 public:
  Groups(const Tensor& reward, const Tensor& group) {
    expect_shape(reward, {kAny}, "reward");
    expect_shape(group, {reward.size(0)}, "group");
    place_ = std::get<1>(torch::_unique(group, /*sorted=*/true, /*return_inverse=*/true));
  }
  Tensor sum(const Tensor& x) const {
    return torch::zeros_like(x).index_add(0, place_, x).index_select(0, place_);
  }

 private:
  Tensor place_;  // int64[B], groups numbered from 0
};

void require_clip(double clip, const char* function) {
  require(clip > 0, std::string(function) + " needs clip > 0, found " + std::to_string(clip));
}

}  // namespace

Tensor normalized_advantage(const Tensor& advantage, const Tensor& mask,
                            Normalization normalization) {
  const Tensor constant = advantage.detach();
  if (normalization == Normalization::none) return masked(constant, mask);
  const Tensor deviation =
      masked_std(constant, mask, normalization == Normalization::sample ? 1 : 0);
  return masked((constant - masked_mean(constant, mask)) / (deviation + kMinDeviation), mask);
}

Tensor group_advantages(const Tensor& reward, const Tensor& group, Normalization normalization,
                        double epsilon) {
  const Groups groups(reward, group);
  const Tensor constant = reward.detach(), count = groups.sum(torch::ones_like(constant));
  const Tensor centred = constant - groups.sum(constant) / count;
  if (normalization == Normalization::none) return centred;
  const Tensor freedom = normalization == Normalization::sample ? (count - 1).clamp_min(1) : count;
  return centred / ((groups.sum(centred.square()) / freedom).sqrt() + epsilon);
}

Tensor whitened_advantages(const Tensor& reward, Normalization normalization) {
  const Tensor centred = reward.detach() - reward.detach().mean();
  if (normalization == Normalization::none) return centred;
  const Tensor all = torch::ones_like(centred);
  const Tensor deviation = masked_std(centred, all, normalization == Normalization::sample ? 1 : 0);
  return centred / (deviation.square() + kMinVariance).sqrt();
}

Tensor leave_one_out_advantages(const Tensor& reward, const Tensor& group) {
  const Groups groups(reward, group);
  const Tensor constant = reward.detach(), others = groups.sum(torch::ones_like(constant)) - 1;
  require(others.ge(1).all().item<bool>(),
          "leave-one-out needs groups of at least 2 episodes, found one that is alone");
  return constant - (groups.sum(constant) - constant) / others;
}

Tensor reinforce(const Tensor& log_prob, const Tensor& advantage) {
  expect_shape(advantage, log_prob.sizes().vec(), "advantage");
  return -advantage.detach() * log_prob;
}

Tensor ratio_surrogate(const Tensor& log_prob, const Tensor& old_log_prob,
                       const Tensor& advantage) {
  expect_shape(advantage, log_prob.sizes().vec(), "advantage");
  return -advantage.detach() * log_ratio(log_prob, old_log_prob).exp();
}

Tensor clipped_surrogate(const Tensor& log_prob, const Tensor& old_log_prob,
                         const Tensor& advantage, double clip) {
  require_clip(clip, "clipped_surrogate");
  expect_shape(advantage, log_prob.sizes().vec(), "advantage");
  const Tensor ratio = log_ratio(log_prob, old_log_prob).exp();
  const Tensor cost = -advantage.detach();
  return torch::maximum(cost * ratio, cost * ratio.clamp(1 - clip, 1 + clip));
}

Tensor value_loss(const Tensor& value, const Tensor& target, double scale, const Tensor& old_value,
                  std::optional<double> clip) {
  expect_shape(target, value.sizes().vec(), "target");
  const Tensor error = (value - target.detach()).square();
  if (!clip) return scale * error;
  require_clip(*clip, "value_loss");
  expect_shape(old_value, value.sizes().vec(), "old_value");
  const Tensor old = old_value.detach();
  const Tensor near = old + (value - old).clamp(-*clip, *clip);
  return scale * torch::maximum(error, (near - target.detach()).square());
}

Tensor approximate_kl(const Tensor& log_prob, const Tensor& old_log_prob) {
  const Tensor log_rho = log_ratio(log_prob, old_log_prob).detach();
  return log_rho.expm1() - log_rho;
}

Tensor is_clipped(const Tensor& log_prob, const Tensor& old_log_prob, double clip) {
  require_clip(clip, "is_clipped");
  const Tensor log_rho = log_ratio(log_prob, old_log_prob).detach();
  return log_rho.expm1().abs().gt(clip).to(log_rho.scalar_type());
}

}  // namespace rl::ops
