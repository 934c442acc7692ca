#include "agents/offer.h"

#include <algorithm>
#include <vector>

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

// Logits worked out at a time: 4 MB of float32.
constexpr int64_t kChunkElements = int64_t{1} << 20;

rl::ActionSet join(const std::vector<rl::ActionSet>& parts) {
  std::vector<rl::Tensor> ids, log_probs, tails;
  for (const rl::ActionSet& part : parts) {
    ids.push_back(part.ids);
    log_probs.push_back(part.prior_log_probs);
    tails.push_back(part.tail_log_prob);
  }
  return {torch::cat(ids), torch::cat(log_probs), torch::cat(tails), {}, nullptr};
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

rl::ActionSet offer_in_chunks(const rl::Tensor& features,
                              const std::shared_ptr<const rl::Readout>& readout,
                              const OfferOptions& options, const rl::Trajectory& trajectory) {
  if (options.kind == OfferOptions::Kind::all) return {{}, {}, {}, features, readout};
  const rl::Trajectory t = trajectory.to(features.device());
  const rl::Tensor flat = features.flatten(0, 1);
  const rl::Tensor taken = t.action.masked_fill(t.mask.logical_not(), -1).flatten();
  const int64_t step = std::max<int64_t>(1, kChunkElements / readout->action_count(features));
  const rl::Tensor draws = draws_for(options, t);
  std::vector<rl::ActionSet> parts;
  for (int64_t begin = 0; begin < flat.size(0); begin += step) {
    const int64_t count = std::min(step, flat.size(0) - begin);
    const rl::Tensor log_probs = readout->logits(flat.narrow(0, begin, count)).log_softmax(-1);
    parts.push_back(offer(log_probs, options, taken.narrow(0, begin, count),
                          draws.defined() ? draws.narrow(0, begin, count) : draws));
  }
  return join(parts).map([&](const rl::Tensor& x) {
    return x.unflatten(0, {t.size(), t.length()});
  });
}

}  // namespace agents
