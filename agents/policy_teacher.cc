#include "agents/policy_teacher.h"

#include <string>
#include <utility>

#include "rl/check.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

PolicyTeacher::PolicyTeacher(std::shared_ptr<const rl::PolicyModel> policy,
                             const OfferOptions& options)
    : policy_(std::move(policy)), options_(options) {
  rl::require(options.temperature > 0, "the teacher's temperature must be > 0, found " +
                                           std::to_string(options.temperature));
}

rl::ActionSet PolicyTeacher::judge(const rl::Trajectory& t) const {
  torch::NoGradGuard no_grad;
  const rl::PolicyOutput output = policy_->evaluate(t);
  const Tensor logits = output.readout.logits(output.features.flatten(0, 1));
  const Tensor taken = t.action.masked_fill(t.mask.logical_not(), -1).flatten();
  return offer((logits / options_.temperature).log_softmax(-1), options_, taken)
      .map([&](const Tensor& x) {
        return x.unflatten(0, {t.size(), t.length()});
      });
}

}  // namespace agents
