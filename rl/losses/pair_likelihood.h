#pragma once

#include "rl/loss.h"

namespace rl {

/// Supervised learning at the states of mixed pairs (rl/pairs.h): minus the log-probability of both
/// episodes' actions, each by its share of the mixture.
///
/// Source: Liang et al. 2021, arXiv:2011.00593, the mixup loss of the student.
class PairLikelihood : public Loss {
 public:
  /// @throws std::invalid_argument for rows that are no pairs.
  LossOutput operator()(const LossInput& input) const override;
};

}  // namespace rl
