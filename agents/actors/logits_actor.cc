#include "agents/actors/logits_actor.h"

#include <limits>
#include <utility>

#include "rl/random.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

namespace {

// -inf for what is not on offer.
Tensor projected(const Tensor& logits, const rl::ActionSet& given) {
  if (given.is_full()) return logits;
  const Tensor ids = given.ids.to(logits.device());
  // Empty slots repeat the first one, which is empty only where the episode is over.
  const Tensor offered = torch::where(ids >= 0, ids, ids.narrow(1, 0, 1).clamp_min(0));
  return torch::full_like(logits, -std::numeric_limits<double>::infinity())
      .scatter(1, offered, logits.gather(1, offered));
}

}  // namespace

LogitsActor::LogitsActor(std::unique_ptr<NextLogits> next, const SamplingOptions& sampling,
                         uint64_t seed, std::string_view role)
    : next_(std::move(next)), sampling_(sampling), key_(rl::role_key(seed, role)) {
  sampling.validate();
}

void LogitsActor::begin(const rl::TimeStep& first) {
  torch::NoGradGuard no_grad;
  next_->begin(first);
}

rl::Choice LogitsActor::act(const rl::TimeStep& now) {
  torch::NoGradGuard no_grad;
  return sample(projected(next_->of(now), now.actions), sampling_,
                rl::uniform(key_, now.episode, now.step));
}

void LogitsActor::keep(const Tensor& rows) { next_->keep(rows); }

}  // namespace agents
