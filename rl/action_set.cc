#include "rl/action_set.h"

#include <limits>

#include "rl/check.h"
#include "rl/ops/linear.h"
#include "rl/ops/mixture.h"
#include "rl/torch.h"

namespace rl {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

// Log of the mass outside: the log-sum-exp of every entry but those at `ids`.
Tensor log_mass_outside(const Tensor& log_probs, const Tensor& ids, const Tensor& valid) {
  // An empty slot removes the likeliest action once more, which is never outside.
  const Tensor removed = torch::where(valid, ids, ids.narrow(-1, 0, 1));
  return log_probs.scatter(-1, removed, kNothing).logsumexp(-1);
}

void check_slots(const Tensor& log_probs, int64_t slots, const char* name) {
  require(slots >= 1 && slots <= log_probs.size(-1), std::string(name) + " needs between 1 and " +
                                                         std::to_string(log_probs.size(-1)) +
                                                         " slots, found " + std::to_string(slots));
}

}  // namespace

Tensor Readout::logits(const Tensor& features) const {
  if (!heads.empty()) return mixed(features);
  const Tensor single =
      weight.defined() ? ops::linear_float32(features, weight, bias) : features.to(torch::kFloat32);
  return temperature == 1.0 ? single : single / temperature;
}

Tensor Readout::mixed(const Tensor& features) const {
  const auto count = static_cast<int64_t>(heads.size());
  const Tensor log_weights = features.narrow(-1, features.size(-1) - count, count);
  std::vector<Tensor> log_probs;
  int64_t begin = 0;
  for (const Readout& head : heads) {
    const int64_t width = head.weight.size(1);
    log_probs.push_back(head.logits(features.narrow(-1, begin, width)).log_softmax(-1));
    begin += width;
  }
  return ops::mixture(log_probs, log_weights.to(torch::kFloat32));
}

int64_t Readout::action_count(const Tensor& features) const {
  if (!heads.empty()) return heads.front().weight.size(0);
  return weight.defined() ? weight.size(0) : features.size(-1);
}

int64_t ActionSet::size() const { return is_full() ? prior_log_probs.size(-1) : ids.size(-1); }

Tensor ActionSet::valid() const { return ids >= 0; }

ActionSet ActionSet::dense() const {
  if (prior_log_probs.defined() || !prior_features.defined()) return *this;
  ActionSet result = *this;
  result.prior_log_probs = prior_readout->logits(prior_features).log_softmax(-1);
  return result;
}

ActionSet top_k(const Tensor& log_probs, int64_t k) {
  check_slots(log_probs, k, "top_k");
  const auto [values, ids] = log_probs.topk(k, -1);
  const Tensor valid = torch::ones_like(ids, torch::kBool);
  return {ids,
          values.to(torch::kFloat32),
          log_mass_outside(log_probs, ids, valid).to(torch::kFloat32),
          {},
          nullptr};
}

ActionSet top_p(const Tensor& log_probs, double p, int64_t max_actions) {
  require(p > 0 && p <= 1, "top_p needs 0 < p <= 1, found " + std::to_string(p));
  check_slots(log_probs, max_actions, "top_p");
  const auto [values, ids] = log_probs.topk(max_actions, -1);
  const Tensor probs = values.exp();
  // A slot is kept while the mass strictly before it is below p, so the first is always kept.
  const Tensor valid = (probs.cumsum(-1) - probs) < p;
  return {ids.masked_fill(valid.logical_not(), -1),
          values.masked_fill(valid.logical_not(), kNothing).to(torch::kFloat32),
          log_mass_outside(log_probs, ids, valid).to(torch::kFloat32),
          {},
          nullptr};
}

ActionSet including(const ActionSet& actions, const Tensor& action_ids, const Tensor& log_probs) {
  if (actions.is_full()) return actions;
  const Tensor absent =
      (slot_of(actions, action_ids) < 0).logical_and(action_ids >= 0).unsqueeze(-1);
  // Empty slots come last, so the first empty one is where the filled ones end.
  const Tensor slot = actions.valid().sum(-1, /*keepdim=*/true).clamp_max(actions.size() - 1);
  const Tensor id = action_ids.unsqueeze(-1);
  const Tensor log_prob = log_probs.gather(-1, id.clamp_min(0)).to(torch::kFloat32);
  ActionSet result;
  result.ids = torch::where(absent, actions.ids.scatter(-1, slot, id), actions.ids);
  result.prior_log_probs = torch::where(absent, actions.prior_log_probs.scatter(-1, slot, log_prob),
                                        actions.prior_log_probs);
  result.tail_log_prob =
      log_mass_outside(log_probs, result.ids, result.valid()).to(torch::kFloat32);
  return result;
}

Tensor slot_of(const ActionSet& actions, const Tensor& action_ids) {
  if (actions.is_full()) return action_ids;
  const Tensor hit = (actions.ids == action_ids.unsqueeze(-1)).logical_and(actions.ids >= 0);
  const Tensor slot = hit.to(torch::kInt64).argmax(-1);
  return torch::where(hit.any(-1), slot, torch::full_like(slot, -1));
}

}  // namespace rl
