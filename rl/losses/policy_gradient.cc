#include "rl/losses/ppo.h"

#include "rl/check.h"
#include "rl/ops/returns.h"
#include "rl/torch.h"

namespace rl {
Ppo::Ppo(PpoOptions options) : options_(options) {
  const auto in_unit = [](double x, const char* name) {
    require(x >= 0 && x <= 1, std::string(name) + " must be in [0, 1], found " + std::to_string(x));
  };
  in_unit(options.gamma, "gamma");
  in_unit(options.lambda, "lambda");
  require(options.clip > 0, "clip must be > 0, found " + std::to_string(options.clip));
}

Trajectory Ppo::prepare(const Trajectory& part, const PolicyModel& policy,
                        const Reward& reward) const {
  const PolicyOutput output = policy.evaluate(part);
  require(output.value.defined(), "PPO needs a policy with a value head");
  const Tensor value = output.value.masked_fill(part.state_mask.logical_not(), 0);
  // Nothing is carried over where the next column is not a step of the same episode.
  const Tensor last = next_column(part.mask).logical_not();
  const ops::Advantages found =
      ops::generalized_advantage(reward.of(part, output), part.discount * options_.gamma, last,
                                 value, next_column(value), options_.lambda);
  return part.with_note("old_value", value)
      .with_note("advantage", found.advantage)
      .with_note("target", found.target);
}

Trajectory Ppo::complete(const Trajectory& batch) const {
  return batch.with_note(
      "advantage",
      ops::normalized_advantage(batch.notes.at("advantage"), batch.mask, options_.normalization));
}

LossOutput Ppo::operator()(const LossInput& input) const {
  const Trajectory& t = input.trajectory;
  const Tensor found = map_states(
      input.online, t, t.mask,
      [](const Opinion& o) {
        return torch::stack({o.action_log_prob(), o.entropy()}, -1);
      },
      2);
  const Tensor log_prob = found.select(-1, 0);
  const Tensor policy =
      ops::clipped_surrogate(log_prob, t.behavior_log_prob, t.notes.at("advantage"), options_.clip);
  const Tensor value = ops::value_loss(input.online.value, t.notes.at("target"), 1.0,
                                       t.notes.at("old_value"), options_.value_clip);
  const auto sum = [&](const Tensor& x) {
    return (x.masked_fill(t.mask.logical_not(), 0) * input.weight).sum();
  };
  const Tensor policy_sum = sum(policy), value_sum = sum(value), entropy = sum(found.select(-1, 1));
  LossOutput output{
      policy_sum + options_.value_coefficient * value_sum - options_.entropy_coefficient * entropy,
      {}};
  output.metrics.sums["policy_loss"] = policy_sum.detach();
  output.metrics.sums["value_loss"] = value_sum.detach();
  output.metrics.sums["entropy"] = entropy.detach();
  output.metrics.sums["approximate_kl"] = sum(ops::approximate_kl(log_prob, t.behavior_log_prob));
  output.metrics.sums["clip_fraction"] =
      sum(ops::is_clipped(log_prob, t.behavior_log_prob, options_.clip));
  return output;
}

}  // namespace rl
