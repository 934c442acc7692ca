#pragma once

#include "rl/loss.h"

namespace rl {

struct ImitationOptions {
  /// Steps are weighed by the probability ratio of the policy, as it was when they were collected, to who
  /// acted: what somebody else did counts as often as the policy would have done it.
  bool importance = false;
};

/// Differentiates the reward: minus the reward of every visited state, with gradient.
///
/// With reward = minus a divergence to the prior this is distillation (GKD, DistiLLM, ...): an exact
/// all-action policy-gradient step with discount 0. With reward = log-likelihood of the action taken
/// it is supervised learning. States count as given: no gradient flows into who visited them.
class Imitation : public Loss {
 public:
  explicit Imitation(ImitationOptions options = {}) : options_(options) {}

  Trajectory prepare(const Trajectory& part, const PolicyModel& policy,
                     const Reward& reward) const override;
  bool prepares() const override { return options_.importance; }
  LossOutput operator()(const LossInput& input) const override;

 private:
  ImitationOptions options_;
};

}  // namespace rl
