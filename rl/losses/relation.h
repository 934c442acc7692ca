#pragma once

#include "rl/loss.h"

namespace rl {

struct RelationOptions {
  double prior_temperature = 0.1;  // > 0
  double temperature = 0.1;        // > 0
};

/// Relations between the states of a row: how alike the policy finds them is drawn to how alike the prior
/// does. Each state is compared with the others of its row by the cosines of features, the prior's being
/// those of `ActionSet::prior_features`.
///
/// A row is a whole group of states, so nothing depends on how a batch is cut.
///
/// Source: see ops::relation_divergence.
class Relation : public Loss {
 public:
  /// @throws std::invalid_argument for a temperature that is not positive.
  explicit Relation(RelationOptions options);
  LossOutput operator()(const LossInput& input) const override;

 private:
  RelationOptions options_;
};

}  // namespace rl
