#include "rl/losses/mixture_likelihood.h"

#include "rl/ops/masked.h"
#include "rl/prior_notes.h"
#include "rl/torch.h"

namespace rl {

LossOutput MixtureLikelihood::operator()(const LossInput& input) const {
  // A policy over M priors: M numbers per state are few enough to be kept.
  const Tensor log_weights = input.online.readout.logits(input.online.features).log_softmax(-1);
  const Tensor nats = -(log_weights + prior_notes(input.trajectory, "log_prob")).logsumexp(-1);
  const auto sum = [&](const Tensor& x) {
    return ops::masked(x * input.weight, input.weight).sum();
  };
  LossOutput output{sum(nats), {}};
  const Tensor weights = log_weights.detach().exp();
  for (int64_t k = 0; k < weights.size(-1); ++k) {
    output.metrics.sums["weight/" + std::to_string(k)] = sum(weights.select(-1, k));
  }
  return output;
}

}  // namespace rl
