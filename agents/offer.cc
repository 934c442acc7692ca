#include "agents/offer.h"

#include <algorithm>

#include "rl/torch.h"

namespace agents {
namespace {

rl::ActionSet likeliest(const rl::Tensor& log_probs, const OfferOptions& options) {
  const int64_t slots = std::min(options.max_actions, log_probs.size(-1));
  return options.kind == OfferOptions::Kind::top_k ? rl::top_k(log_probs, slots)
                                                   : rl::top_p(log_probs, options.p, slots);
}

}  // namespace

rl::ActionSet offer(const rl::Tensor& log_probs, const OfferOptions& options,
                    const rl::Tensor& taken) {
  if (options.kind == OfferOptions::Kind::all) return {{}, log_probs, {}, {}, nullptr};
  const rl::ActionSet set = likeliest(log_probs, options);
  return options.include_taken && taken.defined() ? rl::including(set, taken, log_probs) : set;
}

}  // namespace agents
