#include "rl/losses/td.h"

#include "rl/check.h"
#include "rl/ops/value.h"
#include "rl/torch.h"

namespace rl {
Td::Td(TdOptions options) : options_(options) {
  require(options.gamma >= 0 && options.gamma <= 1,
          "gamma must be in [0, 1], found " + std::to_string(options.gamma));
  require(options.entropy >= 0, "entropy must be >= 0, found " + std::to_string(options.entropy));
  require(options.huber_delta >= 0,
          "huber_delta must be >= 0, found " + std::to_string(options.huber_delta));
  require(!options.double_q || options.entropy == 0, "double_q goes with greedy values");
}

Tensor Td::next_values(const LossInput& input) const {
  torch::NoGradGuard no_grad;
  const Trajectory& t = input.trajectory;
  if (!options_.double_q) {
    return map_states(*input.target, t, t.state_mask, [&](const Opinion& o) {
      return options_.entropy > 0 ? ops::soft_value(o.logits(), {}, options_.entropy)
                                  : ops::greedy_value(o.logits());
    });
  }
  // The best action as the online network sees it, valued by the target network.
  const Tensor best = map_states(input.online, t, t.state_mask, [](const Opinion& o) {
    return o.all_logits().argmax(-1).to(torch::kFloat32);
  });
  Trajectory chosen = t;
  chosen.action = best.to(torch::kInt64);
  return map_states(*input.target, chosen, t.state_mask,
                    [](const Opinion& o) { return o.action_logit(); });
}

LossOutput Td::operator()(const LossInput& input) const {
  const Trajectory& t = input.trajectory;
  const Tensor q =
      map_states(input.online, t, t.mask, [](const Opinion& o) { return o.action_logit(); });
  const Tensor target =
      ops::td_target(input.reward.of(t, input.online), t.discount * options_.gamma,
                     next_column(next_values(input)));
  const Tensor error = (q - target).masked_fill(t.mask.logical_not(), 0);
  const Tensor cost =
      options_.huber_delta > 0 ? ops::huber(error, options_.huber_delta) : error.square() / 2;
  LossOutput output{(cost * input.weight).sum(), {}, error.detach()};
  output.metrics.sums["td_error"] = (error.detach().abs() * input.weight).sum();
  output.metrics.sums["q"] = (q.detach() * input.weight).sum();
  return output;
}

}  // namespace rl
