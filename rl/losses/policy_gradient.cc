#include "rl/losses/policy_gradient.h"

#include <string>

#include "rl/check.h"
#include "rl/ops/masked.h"
#include "rl/torch.h"

namespace rl {
namespace {

// Nothing is carried over where the next column is not a step of the same episode.
Tensor last_steps(const Trajectory& t) { return ops::next_column(t.mask).logical_not(); }

Tensor clipped(const Tensor& x, const std::optional<double>& limit) {
  return limit ? x.clamp(-*limit, *limit) : x;
}

Tensor state_values(const PolicyOutput& output, const Trajectory& t) {
  require(output.value.defined(), "this baseline needs a policy with a value head");
  return ops::masked(output.value, t.state_mask);
}

}  // namespace

PolicyGradient::PolicyGradient(PolicyGradientOptions options) : options_(options) {
  const auto in_unit = [](double x, const char* name) {
    require(x >= 0 && x <= 1, std::string(name) + " must be in [0, 1], found " + std::to_string(x));
  };
  const auto positive = [](const std::optional<double>& x, const char* name) {
    require(!x || *x > 0,
            std::string(name) + " must be > 0, found " + std::to_string(x.value_or(0)));
  };
  in_unit(options.gamma, "gamma");
  in_unit(options.lambda, "lambda");
  positive(options.clip, "clip");
  positive(options.value_clip, "value_clip");
  positive(options.importance_clip, "importance_clip");
  positive(options.reward_clip, "reward_clip");
  positive(options.advantage_clip, "advantage_clip");
  positive(options.max_kl, "max_kl");
  const bool grouped =
      options.baseline == Baseline::group || options.baseline == Baseline::leave_one_out;
  require(grouped ? options.group_size >= 2 : options.group_size == 1,
          grouped ? "a baseline of groups needs group_size >= 2, found " +
                        std::to_string(options.group_size)
                  : "group_size goes with a baseline of groups");
  require(options.gamma > 0 || options.baseline == Baseline::none ||
              options.baseline == Baseline::value,
          "a baseline of whole episodes compares returns: gamma must be > 0");
  require((options.importance_clip ? 1 : 0) + (options.clip ? 1 : 0) + (options.ratio ? 1 : 0) <= 1,
          "one of clip, importance_clip and ratio");
  require(
      (options.include_current && !options.length_normalized) || options.baseline == Baseline::none,
      "returns of later steps, and mean ones, go without a baseline");
  require(!learns_from_stale_values() ||
              (!options.value_clip && options.normalization == ops::Normalization::none),
          "importance_clip with values goes without value_clip and normalization");
}

Tensor PolicyGradient::returns(const Tensor& paid, const Trajectory& t) const {
  const Tensor last = last_steps(t);
  Tensor result = ops::discounted_returns(paid, t.discount * options_.gamma, last);
  Tensor count = t.mask.to(result.scalar_type());
  if (options_.length_normalized) {
    count = ops::discounted_returns(count, torch::ones_like(result), last);
  }
  if (!options_.include_current) {
    result = ops::next_column(result).masked_fill(last, 0);
    count = ops::next_column(count).masked_fill(last, 0);
  }
  return options_.length_normalized ? result / count.clamp_min(1) : result;
}

Trajectory PolicyGradient::prepare(const Trajectory& part, const PolicyModel& policy,
                                   const Reward& reward) const {
  if (learns_from_stale_values()) return part;
  const PolicyOutput output = policy.evaluate(part);
  const Tensor paid = clipped(reward.of(part, output), options_.reward_clip);
  if (options_.baseline != Baseline::value) {
    return part.with_note("advantage", returns(paid, part));
  }
  const Tensor value = state_values(output, part);
  const ops::Advantages found =
      ops::generalized_advantage(paid, part.discount * options_.gamma, last_steps(part), value,
                                 ops::next_column(value), options_.lambda);
  return part.with_note("old_value", value)
      .with_note("advantage", found.advantage)
      .with_note("target", found.target);
}

Tensor PolicyGradient::compared(const Tensor& returns, const Tensor& episode) const {
  const Tensor group = torch::div(episode, options_.group_size, "floor");
  switch (options_.baseline) {
    case Baseline::batch:
      return ops::whitened_advantages(returns, options_.normalization);
    case Baseline::group:
      return ops::group_advantages(returns, group, options_.normalization);
    case Baseline::leave_one_out:
      return ops::leave_one_out_advantages(returns, group);
    case Baseline::none:
    case Baseline::value:
      break;
  }
  return returns;
}

Trajectory PolicyGradient::complete(const Trajectory& batch) const {
  if (learns_from_stale_values()) return batch;
  Tensor advantage = batch.notes.at("advantage");
  const bool by_episode =
      options_.baseline != Baseline::value && options_.baseline != Baseline::none;
  if (by_episode) {
    // Rows that are not learned from have no return to compare with.
    const Tensor rows = batch.mask.any(1).nonzero().squeeze(1);
    const Tensor whole =
        compared(advantage.select(1, 0).index_select(0, rows), batch.episode.index_select(0, rows));
    advantage = torch::zeros_like(advantage).index_copy(
        0, rows, whole.unsqueeze(1).expand({-1, advantage.size(1)}));
  }
  const bool normalized =
      options_.baseline == Baseline::batch || options_.baseline == Baseline::group;
  // Of the rows that are learned from, padding is what others of the batch made it.
  const Tensor counted = options_.normalize_padding
                             ? batch.mask.any(1, /*keepdim=*/true).expand_as(batch.mask)
                             : batch.mask;
  const Tensor scaled =
      ops::normalized_advantage(ops::masked(advantage, batch.mask), counted,
                                normalized ? ops::Normalization::none : options_.normalization);
  return batch.with_note("advantage", ops::masked(scaled, batch.mask));
}

ops::Advantages PolicyGradient::stale_advantages(const LossInput& input,
                                                 const Tensor& log_prob) const {
  torch::NoGradGuard no_grad;
  const Trajectory& t = input.trajectory;
  const double limit = *options_.importance_clip;
  const Tensor value = state_values(input.online, t);
  return ops::vtrace(
      ops::masked(log_prob - t.behavior_log_prob, t.mask),
      clipped(input.reward.of(t, input.online), options_.reward_clip), t.discount * options_.gamma,
      last_steps(t), value, ops::next_column(value),
      {.rho_bar = limit, .c_bar = limit, .policy_rho_bar = limit, .lambda = options_.lambda});
}

Tensor PolicyGradient::surrogate(const Trajectory& t, const Tensor& log_prob,
                                 const Tensor& given) const {
  const Tensor advantage = clipped(given, options_.advantage_clip);
  if (options_.ratio) return ops::ratio_surrogate(log_prob, t.behavior_log_prob, advantage);
  if (options_.clip) {
    return ops::clipped_surrogate(log_prob, t.behavior_log_prob, advantage, *options_.clip);
  }
  // V-trace has weighed its advantages.
  if (!options_.importance_clip || learns_from_stale_values()) {
    return ops::reinforce(log_prob, advantage);
  }
  const Tensor ratio = (log_prob.detach() - t.behavior_log_prob).exp();
  return ops::reinforce(log_prob, clipped(given * ratio.clamp_max(*options_.importance_clip),
                                          options_.advantage_clip));
}

LossOutput PolicyGradient::operator()(const LossInput& input) const {
  const Trajectory& t = input.trajectory;
  const Tensor found = map_states(
      input.online, t, t.mask,
      [](const Opinion& o) {
        return torch::stack({o.action_log_prob(), o.entropy()}, -1);
      },
      2);
  const Tensor log_prob = found.select(-1, 0);
  ops::Advantages wanted;
  if (learns_from_stale_values()) {
    wanted = stale_advantages(input, log_prob);
  } else {
    wanted.advantage = t.notes.at("advantage");
    if (options_.baseline == Baseline::value) wanted.target = t.notes.at("target");
  }
  const auto sum = [&](const Tensor& x) { return (ops::masked(x, t.mask) * input.weight).sum(); };
  const Tensor policy = sum(surrogate(t, log_prob, wanted.advantage));
  const Tensor entropy = sum(found.select(-1, 1));
  LossOutput output{policy - options_.entropy_coefficient * entropy, {}};
  if (options_.baseline == Baseline::value) {
    const Tensor old = options_.value_clip ? t.notes.at("old_value") : Tensor();
    const Tensor value =
        sum(ops::value_loss(input.online.value, wanted.target, 1.0, old, options_.value_clip));
    output.loss = output.loss + options_.value_coefficient * value;
    output.metrics.sums["value_loss"] = value.detach();
  }
  output.metrics.sums["policy_loss"] = policy.detach();
  output.metrics.sums["entropy"] = entropy.detach();
  output.metrics.sums["approximate_kl"] = sum(ops::approximate_kl(log_prob, t.behavior_log_prob));
  output.metrics.maxima["log_prob_difference"] =
      log_prob_difference(t, log_prob, input.weight != 0);
  if (options_.clip) {
    output.metrics.sums["clip_fraction"] =
        sum(ops::is_clipped(log_prob, t.behavior_log_prob, *options_.clip));
  }
  return output;
}

bool PolicyGradient::enough(const Metrics& metrics) const {
  return options_.max_kl && metrics.at("approximate_kl") > *options_.max_kl;
}

}  // namespace rl
