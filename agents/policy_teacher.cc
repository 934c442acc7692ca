#include "agents/policy_teacher.h"

#include <limits>
#include <string>
#include <utility>

#include "agents/nets/mlp.h"
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
  if (options_.raw) {
    const Tensor open =
        logits.masked_fill(logits < kClosedLogit / 2, -std::numeric_limits<double>::infinity());
    return {{},
            {},
            {},
            open.unflatten(0, {t.size(), t.length()}),
            std::make_shared<rl::Readout>(rl::Readout{{}, {}, options_.temperature})};
  }
  const Tensor taken = t.action.masked_fill(t.mask.logical_not(), -1).flatten();
  const Tensor log_probs = (logits / options_.temperature).log_softmax(-1);
  const Tensor closed = logits < kClosedLogit / 2;
  return offer_open(log_probs, closed, taken, draws_for(options_, t)).map([&](const Tensor& x) {
    return x.unflatten(0, {t.size(), t.length()});
  });
}

// What a state does not offer is no action of any set.
rl::ActionSet PolicyTeacher::offer_open(const Tensor& log_probs, const Tensor& closed,
                                        const Tensor& taken, const Tensor& draws) const {
  if (!closed.any().item<bool>()) return offer(log_probs, options_, taken, draws);
  OfferOptions options = options_;
  if (options.kind == OfferOptions::Kind::all) {
    options.kind = OfferOptions::Kind::top_k;
    options.max_actions = log_probs.size(-1);
  }
  rl::ActionSet set = offer(log_probs.masked_fill(closed, -std::numeric_limits<double>::infinity()),
                            options, taken, draws);
  set.ids = set.ids.masked_fill(set.prior_log_probs.isinf(), -1);
  return set;
}

}  // namespace agents
