#pragma once

#include <memory>

#include "agents/offer.h"
#include "rl/policy.h"

namespace agents {

/// A policy of a small world as a teacher of another.
class PolicyTeacher : public rl::Prior {
 public:
  /// @throws std::invalid_argument for a temperature that is not positive.
  PolicyTeacher(std::shared_ptr<const rl::PolicyModel> policy, const OfferOptions& options);

  rl::ActionSet judge(const rl::Trajectory& trajectory) const override;

 private:
  rl::ActionSet offer_open(const rl::Tensor& log_probs, const rl::Tensor& closed,
                           const rl::Tensor& taken, const rl::Tensor& draws) const;

  std::shared_ptr<const rl::PolicyModel> policy_;
  OfferOptions options_;
};

}  // namespace agents
