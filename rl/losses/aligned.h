#pragma once

#include "rl/loss.h"
#include "rl/ops/cross_vocabulary.h"

namespace rl {

struct AlignedOptions {
  bool by_action = false;          // `hybrid_distance`, or `sorted_distance`
  ops::HybridOptions hybrid = {};  // of by_action
  double policy_temperature = 1;   // > 0
};

/// Imitates a prior that cuts episodes into other steps and has other actions, where the two can be
/// compared. Whoever judges notes, [B, T] each:
///
/// | note | what |
/// | --- | --- |
/// | aligned | weight of a state that is compared with the prior given there; 0: it is not |
/// | anchor | the state in which the action is compared together with others; -1: in none |
/// | prior_scale | log-probability, under the prior, of its other actions that are compared there |
/// | one_to_one | share of the row that is cut alike |
///
/// Where several actions make one of the prior's, or the reverse, the distribution at the anchor is
/// multiplied by the probabilities of the other actions, as they were taken. Those of the policy are
/// differentiated too.
class Aligned : public Loss {
 public:
  /// @throws std::invalid_argument for options out of range.
  explicit Aligned(const AlignedOptions& options);
  LossOutput operator()(const LossInput& input) const override;

 private:
  // Of n states, whose flat place in [B, T] the opinion has in place of the action: the distance, and its
  // derivative by the policy's scale.
  Tensor distance(const Opinion& opinion, const Tensor& scale, const Tensor& prior_scale) const;

  AlignedOptions options_;
};

}  // namespace rl
