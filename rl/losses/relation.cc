#include "rl/losses/relation.h"

#include <limits>
#include <string>

#include "rl/check.h"
#include "rl/ops/masked.h"
#include "rl/ops/retrieval.h"
#include "rl/torch.h"

namespace rl {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

// bool[B, T]: states that are learned from, where there is another one to compare them with.
Tensor compared(const Trajectory& t) {
  return t.mask.logical_and(t.step_counts().unsqueeze(1) > 1);
}

// bool[B, T, T]: of the state in each row, those it is not compared with: itself and what is no state.
// States that are compared with none keep all, lest their softmax be of nothing.
Tensor excluded(const Trajectory& t) {
  const Tensor self = torch::eye(t.length(), t.mask.options());
  return self.logical_or(t.mask.logical_not().unsqueeze(1)).logical_and(compared(t).unsqueeze(2));
}

}  // namespace

Relation::Relation(RelationOptions options) : options_(options) {
  require(options.prior_temperature > 0 && options.temperature > 0,
          "temperatures of relations must be > 0, found " +
              std::to_string(options.prior_temperature) + " and " +
              std::to_string(options.temperature));
}

LossOutput Relation::operator()(const LossInput& input) const {
  const Trajectory& t = input.trajectory;
  require(t.actions.prior_features.defined(), "relations need the features of a prior");
  require(t.length() >= 2, "relations are between two states at least, found 1");
  const Tensor out = excluded(t);
  const auto similarity = [&](const Tensor& features) {
    return ops::cosine_similarity(features).masked_fill(out, kNothing);
  };
  const Tensor divergence = ops::relation_divergence(
      similarity(t.actions.prior_features), similarity(input.online.features),
      options_.prior_temperature, options_.temperature);
  const Tensor sum = (ops::masked(divergence, compared(t)) * input.weight).sum();
  return {sum, {.sums = {{"relation_kl", sum.detach()}}, .maxima = {}}};
}

}  // namespace rl
