#include "rl/losses/aligned.h"

#include "rl/check.h"
#include "rl/ops/masked.h"
#include "rl/torch.h"

namespace rl {
namespace {

// The log-probability of a state's other actions: those whose anchor it is, but for its own.
Tensor scale_of(const Tensor& log_prob, const Tensor& anchor) {
  const Tensor column = torch::arange(anchor.size(1), anchor.options());
  const Tensor elsewhere = (anchor >= 0).logical_and(anchor != column);
  return torch::zeros_like(log_prob).scatter_add(1, anchor.clamp_min(0),
                                                 ops::masked(log_prob, elsewhere));
}

}  // namespace

Aligned::Aligned(const AlignedOptions& options) : options_(options) {
  require(options_.policy_temperature > 0, "policy_temperature must be > 0");
  require(options_.hybrid.beta > 0 && options_.hybrid.beta < 1, "beta must be in (0, 1)");
}

LossOutput Aligned::operator()(const LossInput& input) const {
  const Trajectory& t = input.trajectory;
  const Tensor log_prob =
      map_states(input.online, t, input.weight != 0, [&](const Opinion& opinion) {
        return opinion.at_temperature(options_.policy_temperature).action_log_prob();
      });
  const Tensor scale = scale_of(log_prob, t.notes.at("anchor"));
  const Tensor weight = input.weight * t.notes.at("aligned");
  Trajectory numbered = t;
  numbered.action = torch::arange(t.action.numel(), t.action.options()).view_as(t.action);
  const Tensor scales = scale.detach().flatten(), prior = t.notes.at("prior_scale").flatten();
  const StateSum sum =
      sum_states(input.online, numbered, weight, {1, 0},
                 [&](const Opinion& opinion) { return distance(opinion, scales, prior); });
  const Tensor slope = sum.values.select(-1, 1);
  const Tensor by_scale = (weight * slope * (scale - scale.detach())).sum();
  LossOutput output{sum.total + by_scale, {}};
  output.metrics.sums["distance"] = (weight * sum.values.select(-1, 0)).sum();
  output.metrics.sums["one_to_one"] = (input.weight * t.notes.at("one_to_one")).sum();
  return output;
}

Tensor Aligned::distance(const Opinion& found, const Tensor& scales, const Tensor& priors) const {
  const Opinion opinion = found.at_temperature(options_.policy_temperature);
  const Tensor prior = priors.index_select(0, opinion.action()).unsqueeze(-1);
  const Tensor log_p = opinion.prior_log_probs() + prior;
  Tensor scale = scales.index_select(0, opinion.action()).unsqueeze(-1);
  const bool learns = torch::GradMode::is_enabled();
  if (learns) scale.requires_grad_(true);
  const Tensor log_q = opinion.log_probs() + scale;
  const Tensor value = options_.by_action ? ops::hybrid_distance(log_p, log_q, options_.hybrid)
                                          : ops::sorted_distance(log_p, log_q);
  const Tensor slope =
      learns ? torch::autograd::grad({value.sum()}, {scale}, {}, /*retain_graph=*/true)[0]
             : torch::zeros_like(scale);
  return torch::stack({value, slope.squeeze(-1).detach()}, -1);
}

}  // namespace rl
