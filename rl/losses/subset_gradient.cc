#include "rl/losses/subset_gradient.h"

#include "rl/check.h"
#include "rl/checkpoint.h"
#include "rl/hindsight.h"
#include "rl/ops/mixture.h"
#include "rl/prior_notes.h"
#include "rl/torch.h"

namespace rl {

SubsetGradient::SubsetGradient(const SubsetGradientOptions& options) : options_(options) {
  require(options.own_share >= 0 && options.own_share <= 1, "own_share must be in [0, 1]");
  require(options.baseline_decay >= 0 && options.baseline_decay < 1,
          "baseline_decay must be in [0, 1)");
}

LossOutput SubsetGradient::operator()(const LossInput& input) const {
  const Trajectory& t = input.trajectory;
  const auto past = [&](const std::string& name) {  // the same in every column of a row
    return t.notes.at(kPast + name).select(1, 0);
  };
  const Tensor row_weight = input.weight.sum(1), known = row_weight * past("known");
  const Tensor value =
      options_.own_share * past("value") + (1 - options_.own_share) * past("held_out");
  const Tensor logits = input.online.readout.logits(input.online.features).select(1, 0);
  const Tensor chosen = prior_notes(t, "weight", kPast).select(1, 0) > 0;
  // Without a baseline nothing is known to be better or worse.
  const Tensor advantage = baseline_ ? value - *baseline_ : torch::zeros_like(value);
  const Tensor gain = advantage * ops::subset_log_prob(logits, chosen);
  const Tensor drawn = past("episode") >= options_.warm_up;
  LossOutput output{-(known * drawn * gain).sum(), {}};
  output.metrics.sums["known"] = known.sum();
  output.metrics.sums["value"] = (known * value).sum();
  const Tensor probability = logits.detach().sigmoid();
  for (int64_t k = 0; k < logits.size(-1); ++k) {
    const std::string name = std::to_string(k);
    output.metrics.sums["probability/" + name] = (row_weight * probability.select(-1, k)).sum();
    output.metrics.sums["chosen/" + name] =
        (row_weight * chosen.select(-1, k).to(torch::kFloat32)).sum();
  }
  return output;
}

void SubsetGradient::updated(const Metrics& metrics, double progress) {
  (void)progress;
  const double known = metrics.at("known");
  if (known <= 0) return;
  const double value = metrics.at("value") / known, decay = options_.baseline_decay;
  baseline_ = baseline_ ? decay * *baseline_ + (1 - decay) * value : value;
}

void SubsetGradient::save(State& state) const {
  state.put("has_baseline", int64_t{baseline_ ? 1 : 0});
  state.put("baseline", baseline_.value_or(0.0));
}

void SubsetGradient::load(const State& state) {
  baseline_.reset();
  if (state.integer("has_baseline") != 0) baseline_ = state.number("baseline");
}

}  // namespace rl
