#include "rl/ops/retrieval.h"

#include <string>

#include "rl/check.h"
#include "rl/ops/divergence.h"
#include "rl/torch.h"

namespace rl::ops {
namespace {

void require_temperature(double temperature) {
  require(temperature > 0,
          "a temperature of similarities must be > 0, found " + std::to_string(temperature));
}

}  // namespace

Reading read_nearest(const Tensor& similarity, const Tensor& said, double temperature) {
  require_temperature(temperature);
  const Tensor weights = (similarity / temperature).softmax(-1);
  return {weights, (weights.unsqueeze(-1) * said).sum(-2)};
}

Tensor interpolated(const Tensor& near, const Tensor& own, double share) {
  require(share >= 0 && share <= 1, "share must be in [0, 1], found " + std::to_string(share));
  return share * near + (1 - share) * own;
}

Tensor relation_divergence(const Tensor& prior_similarity, const Tensor& similarity,
                           double prior_temperature, double temperature) {
  require_temperature(prior_temperature);
  require_temperature(temperature);
  return forward_kl((prior_similarity.detach() / prior_temperature).log_softmax(-1),
                    (similarity / temperature).log_softmax(-1));
}

Tensor cosine_similarity(const Tensor& features) {
  // Keeps the direction of a vector of zeros, which has none, finite.
  constexpr double kMinNorm = 1e-12;
  const Tensor x = features.to(torch::kFloat32);
  const Tensor direction = x / x.norm(2, -1, /*keepdim=*/true).clamp_min(kMinNorm);
  return direction.matmul(direction.transpose(-1, -2));
}

}  // namespace rl::ops
