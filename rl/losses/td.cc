#include "rl/losses/td.h"

#include "rl/check.h"
#include "rl/ops/masked.h"
#include "rl/ops/returns.h"
#include "rl/ops/value.h"
#include "rl/torch.h"

namespace rl {
namespace {

// The action of the set that has the largest value, as a number: float32[n].
Tensor best_action(const Opinion& o) {
  const Tensor slot = o.logits().argmax(-1, /*keepdim=*/true);
  const Tensor id = o.actions().is_full() ? slot : o.actions().ids.gather(-1, slot);
  return id.squeeze(-1).to(torch::kFloat32);
}

const Tensor& own_rows(const Trajectory& t) {
  require(t.second.defined(), "soft Q imitation learning needs rows of a mixture");
  return t.second;
}

}  // namespace

Td::Td(TdOptions options) : options_(options) {
  const auto in_unit = [](double x, const char* name) {
    require(x >= 0 && x <= 1, std::string(name) + " must be in [0, 1], found " + std::to_string(x));
  };
  in_unit(options.gamma, "gamma");
  in_unit(options.epsilon, "epsilon");
  in_unit(options.lambda.value_or(0), "lambda");
  require(options.entropy >= 0, "entropy must be >= 0, found " + std::to_string(options.entropy));
  require(options.huber_delta >= 0,
          "huber_delta must be >= 0, found " + std::to_string(options.huber_delta));
  require(options.n_steps >= 1,
          "n_steps must be at least 1, found " + std::to_string(options.n_steps));
  require(!options.lambda || options.n_steps == 1, "lambda returns go without n_steps");
  require(options.entropy == 0 || (!options.double_q && options.epsilon == 0),
          "double_q and epsilon go with greedy values");
  require(!options.double_q || options.bootstrap == Bootstrap::target,
          "double_q goes with a target network");
  require(options.bootstrap != Bootstrap::live || (!options.lambda && options.n_steps == 1),
          "live values go with targets of one step");
}

Tensor Td::values(const LossInput& input) const {
  const torch::AutoGradMode with_gradient(options_.bootstrap == Bootstrap::live);
  const Trajectory& t = input.trajectory;
  const PolicyOutput& judge = needs_target() ? *input.target : input.online;
  // Copied where live values keep them for the backward pass.
  const auto mixed = [this](const Tensor& best, const Opinion& o) {
    return options_.epsilon > 0 ? best.lerp(ops::mean_value(o.logits()), options_.epsilon) : best;
  };
  if (options_.double_q) {
    // The best action as the online network sees it, valued by the target network.
    Trajectory chosen = t;
    chosen.action = map_states(input.online, t, t.state_mask, best_action).to(torch::kInt64);
    return map_states(judge, chosen, t.state_mask,
                      [mixed](const Opinion& o) { return mixed(o.action_logit(), o); });
  }
  return map_states(judge, t, t.state_mask, [this, mixed](const Opinion& o) {
    return options_.entropy > 0 ? ops::soft_value(o.logits(), {}, options_.entropy)
                                : mixed(ops::greedy_value(o.logits()), o);
  });
}

Tensor Td::reward(const LossInput& input) const {
  if (!options_.sqil) return input.reward.of(input.trajectory, input.online);
  return own_rows(input.trajectory).logical_not().unsqueeze(1) *
         input.trajectory.mask.to(torch::kFloat32);
}

Tensor Td::weight(const LossInput& input) const {
  if (!options_.sqil) return input.weight;
  const Tensor share = input.first_share.clamp(1e-12, 1 - 1e-7);
  return input.weight * torch::where(own_rows(input.trajectory),
                                     options_.sqil->own_weight / (1 - share), 1 / share)
                            .unsqueeze(1);
}

Tensor Td::target(const LossInput& input) const {
  const Trajectory& t = input.trajectory;
  const Tensor discount = t.discount * options_.gamma, paid = reward(input);
  const Tensor next = ops::next_column(values(input));
  // Nothing is carried over where the next column is not a step of the same episode.
  const Tensor last = ops::next_column(t.mask).logical_not();
  if (options_.lambda) return ops::lambda_returns(paid, discount, last, next, *options_.lambda);
  if (options_.n_steps > 1) {
    return ops::n_step_returns(paid, discount, last, next, options_.n_steps).target;
  }
  return ops::td_target(paid, discount, next);
}

LossOutput Td::operator()(const LossInput& input) const {
  const Trajectory& t = input.trajectory;
  const Tensor q =
      map_states(input.online, t, t.mask, [](const Opinion& o) { return o.action_logit(); });
  const Tensor error = ops::masked(q - target(input), t.mask);
  const Tensor cost =
      options_.huber_delta > 0 ? ops::huber(error, options_.huber_delta) : error.square() / 2;
  LossOutput output{(cost * weight(input)).sum(), {}, error.detach()};
  output.metrics.sums["td_error"] = (error.detach().abs() * input.weight).sum();
  output.metrics.sums["q"] = (q.detach() * input.weight).sum();
  return output;
}

}  // namespace rl
