#pragma once

#include "rl/loss.h"

namespace rl {

/// Differentiates the reward: minus the reward of every visited state, with gradient.
///
/// With reward = minus a divergence to the prior this is distillation (GKD, DistiLLM, ...): an exact
/// all-action policy-gradient step with discount 0. With reward = log-likelihood of the action taken
/// it is supervised learning. States count as given: no gradient flows into who visited them.
class Imitation : public Loss {
 public:
  LossOutput operator()(const LossInput& input) const override;
};

}  // namespace rl
