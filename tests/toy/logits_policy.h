#pragma once

#include <memory>

#include "rl/policy.h"
#include "rl/torch.h"

namespace rl::toy {

/// A policy whose logits and values are its parameters: one row of them per episode.
struct LogitsPolicy : PolicyModel {
  /// @param value_table float32[episodes, T], or undefined.
  explicit LogitsPolicy(const Tensor& logits_table, const Tensor& value_table = {})
      : logits(logits_table.detach().clone().requires_grad_()),
        value(value_table.defined() ? value_table.detach().clone().requires_grad_() : Tensor()) {}
  PolicyOutput evaluate(const Trajectory& t) const override {
    const auto rows = [&](const Tensor& table) {
      return table.defined() ? table.index_select(0, t.episode).narrow(1, 0, t.length()) : table;
    };
    return {rows(logits), {}, rows(value)};
  }
  NamedTensors parameters() const override {
    NamedTensors all = {{"logits", logits}};
    if (value.defined()) all.emplace_back("value", value);
    return all;
  }
  std::unique_ptr<PolicyModel> clone() const override {
    return std::make_unique<LogitsPolicy>(logits, value);
  }
  Tensor logits, value;
};

/// Rows with every action on offer, numbered as episodes from 0.
///
/// @param action int64[B, T]. @param mask [B, T]. @param discount float32[B, T]; where it is not 0 after
///     a row's last step, the next column is the state that the cut row reached.
inline Trajectory make_rows(const Tensor& action, const Tensor& mask, const Tensor& discount,
                            int64_t actions) {
  Trajectory t;
  t.observation = torch::zeros_like(action);
  t.action = action;
  t.actions.prior_log_probs = torch::zeros({action.size(0), action.size(1), actions});
  t.behavior_log_prob = torch::zeros(action.sizes());
  t.reward = torch::zeros(action.sizes());
  t.discount = discount;
  t.mask = mask.to(torch::kBool);
  const Tensor goes_on = t.mask.logical_and(discount != 0).slice(1, 0, -1);
  t.state_mask = t.mask.logical_or(torch::constant_pad_nd(goes_on, {1, 0}));
  t.episode = torch::arange(action.size(0));
  t.own = torch::zeros({action.size(0)}, torch::kBool);
  return t;
}

}  // namespace rl::toy
