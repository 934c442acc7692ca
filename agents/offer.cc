#include "agents/offer.h"

#include <algorithm>

#include "rl/check.h"
#include "rl/random.h"
#include "rl/sampled_set.h"
#include "rl/torch.h"

namespace agents {
namespace {

rl::ActionSet likeliest(const rl::Tensor& log_probs, const OfferOptions& options) {
  const int64_t slots = std::min(options.max_actions, log_probs.size(-1));
  return options.kind == OfferOptions::Kind::top_k ? rl::top_k(log_probs, slots)
                                                   : rl::top_p(log_probs, options.p, slots);
}

}  // namespace

rl::Tensor draws_for(const OfferOptions& options, const rl::Trajectory& trajectory) {
  if (options.kind != OfferOptions::Kind::sampled) return {};
  const uint64_t key = rl::role_key(options.seed, "sampled_set");
  const int64_t rows = trajectory.size(), steps = trajectory.length(), n = options.max_actions;
  const rl::Tensor step = torch::arange(steps * n, trajectory.episode.options());
  return rl::uniform(key, trajectory.episode.repeat_interleave(steps * n), step.repeat({rows}))
      .view({rows * steps, n});
}

rl::ActionSet offer(const rl::Tensor& log_probs, const OfferOptions& options,
                    const rl::Tensor& taken, const rl::Tensor& draws) {
  if (options.kind == OfferOptions::Kind::all) return {{}, log_probs, {}, {}, nullptr};
  if (options.kind == OfferOptions::Kind::sampled) {
    rl::require(draws.defined(), "a sampled set is drawn for the states of a trajectory");
    return rl::sampled_set(log_probs, draws);
  }
  const rl::ActionSet set = likeliest(log_probs, options);
  return options.include_taken && taken.defined() ? rl::including(set, taken, log_probs) : set;
}

}  // namespace agents
