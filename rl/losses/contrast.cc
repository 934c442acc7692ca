#include "rl/losses/contrast.h"

#include <string>
#include <utility>

#include "rl/check.h"
#include "rl/checkpoint.h"
#include "rl/opinion.h"
#include "rl/ops/masked.h"
#include "rl/torch.h"

namespace rl {
namespace {

constexpr double kSmallestSkew = 0.01;
// As in the published formula: keeps the quotient finite where prior and policy agree.
constexpr double kSmallGap = 1e-5;

// exp of the mean of a row's values over the steps that count: float32[B, 1].
Tensor geometric_mean(const Tensor& log_probs, const Tensor& mask) {
  return ops::masked_row_mean(log_probs, mask).exp().unsqueeze(1);
}

// float32[n, 2] log-probability of the action taken, the prior's and the policy's.
Tensor of_action(const Opinion& opinion) {
  const Tensor prior =
      opinion.prior_log_probs().gather(-1, opinion.slot().unsqueeze(-1)).squeeze(-1);
  return torch::stack({prior, opinion.action_log_prob()}, -1);
}

}  // namespace

Contrast::Contrast(ContrastOptions options) : options_(std::move(options)) {
  if (!options_.largest_skew) return;
  require(*options_.largest_skew >= kSmallestSkew && *options_.largest_skew < 1,
          "a curriculum needs a largest skew in [0.01, 1), found " +
              std::to_string(*options_.largest_skew));
}

Tensor Contrast::skew(const Tensor& gap, double mean_gap, double largest) {
  return (1 - (1 - largest) * mean_gap / (gap + kSmallGap)).clamp(kSmallestSkew, largest);
}

Trajectory Contrast::prepare(const Trajectory& part, const PolicyModel& policy,
                             const Reward& reward) const {
  (void)reward;
  const Tensor both = map_states(policy.evaluate(part), part, part.mask, of_action, 2);
  const Tensor difference =
      geometric_mean(both.select(-1, 0), part.mask) - geometric_mean(both.select(-1, 1), part.mask);
  const Tensor gap = options_.by_prior ? difference : -difference;
  return part.with_note(gap_name(), gap.expand_as(part.behavior_log_prob).contiguous());
}

LossOutput Contrast::operator()(const LossInput& input) const {
  Trajectory seen = input.trajectory;
  if (options_.largest_skew) {
    const Tensor gap = seen.notes.at(gap_name());
    seen = seen.with_note(kSkewNote, updates_ == 0 ? torch::full_like(gap, *options_.largest_skew)
                                                   : skew(gap, mean_gap_, *options_.largest_skew));
  }
  LossOutput output = imitation_({seen, input.online, input.target, input.reward, input.weight});
  output.loss = options_.factor(progress_) * output.loss;
  if (options_.largest_skew) {
    output.metrics.sums[gap_name()] = (seen.notes.at(gap_name()) * input.weight).sum();
  }
  return output;
}

void Contrast::updated(const Metrics& metrics, double progress) {
  progress_ = progress;
  ++updates_;
  if (!options_.largest_skew) return;
  mean_gap_ += (metrics.at(gap_name()) - mean_gap_) / static_cast<double>(updates_);
}

void Contrast::save(State& state) const {
  state.put("progress", progress_);
  state.put("mean_gap", mean_gap_);
  state.put("updates", updates_);
}

void Contrast::load(const State& state) {
  progress_ = state.number("progress");
  mean_gap_ = state.number("mean_gap");
  updates_ = state.integer("updates");
}

}  // namespace rl
