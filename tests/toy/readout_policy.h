#pragma once

#include <memory>

#include "rl/policy.h"
#include "rl/torch.h"

namespace rl::toy {

/// A policy whose features are a table over observations and whose logits are read out linearly.
struct ReadoutPolicy : PolicyModel {
  ReadoutPolicy(int64_t width, int64_t actions, int64_t seed) {
    torch::manual_seed(static_cast<uint64_t>(seed));
    weight = torch::randn({actions, width}).requires_grad_();
    table = torch::randn({64, width}).requires_grad_();
  }
  PolicyOutput evaluate(const Trajectory& t) const override {
    return {table.index({t.observation}), {weight, {}, 1.0}, {}};
  }
  NamedTensors parameters() const override { return {{"weight", weight}, {"table", table}}; }
  std::unique_ptr<PolicyModel> clone() const override {
    auto copy = std::make_unique<ReadoutPolicy>(*this);
    copy->weight = weight.detach().clone();
    copy->table = table.detach().clone();
    return copy;
  }
  Tensor weight, table;
};

/// Random episodes: row b has 1 + b % steps steps.
inline Trajectory make_batch(int64_t rows, int64_t steps, int64_t actions, uint64_t seed,
                             bool reduced) {
  torch::manual_seed(seed + 1000);
  const Tensor log_probs = (2 * torch::randn({rows, steps, actions})).log_softmax(-1);
  Trajectory t;
  t.observation = torch::arange(rows * steps).remainder(64).view({rows, steps});
  t.action = torch::randint(0, actions, {rows, steps}, torch::kInt64);
  t.actions = reduced ? top_k(log_probs, 5) : ActionSet{{}, log_probs, {}, {}, nullptr};
  t.behavior_log_prob = torch::zeros({rows, steps});
  t.reward = torch::zeros({rows, steps});
  t.discount = torch::ones({rows, steps});
  const Tensor lengths = 1 + torch::arange(rows).remainder(steps);
  t.mask = torch::arange(steps).unsqueeze(0) < lengths.unsqueeze(1);
  t.state_mask = t.mask;
  t.episode = torch::arange(rows);
  t.own = torch::zeros({rows}, torch::kBool);
  return t;
}

}  // namespace rl::toy
