#include "agents/actors/small_world_actors.h"

#include <utility>

#include "rl/random.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

EpsilonGreedy::EpsilonGreedy(std::shared_ptr<const MlpPolicy> policy,
                             std::function<double(double)> epsilon, uint64_t seed)
    : policy_(std::move(policy)),
      epsilon_(std::move(epsilon)),
      explore_key_(rl::role_key(seed, "explore")),
      action_key_(rl::role_key(seed, "random action")) {}

rl::Choice EpsilonGreedy::act(const rl::TimeStep& now) {
  torch::NoGradGuard no_grad;
  const double epsilon = epsilon_(progress_);
  const Tensor logits = policy_->logits(now.observation);
  const Tensor greedy = logits.argmax(-1);
  // Actions on offer come first in their set.
  const rl::ActionSet& open = now.actions;
  const Tensor count = open.is_full()
                           ? torch::full(greedy.sizes(), logits.size(-1), torch::kFloat64)
                           : open.valid().sum(-1).to(torch::kFloat64);
  const Tensor slot = (rl::uniform(action_key_, now.episode, now.step) * count).to(torch::kInt64);
  const Tensor random = open.is_full() ? slot : open.ids.gather(-1, slot.unsqueeze(-1)).squeeze(-1);
  const Tensor explores = rl::uniform(explore_key_, now.episode, now.step) < epsilon;
  const Tensor chosen = torch::where(explores, random, greedy);
  const Tensor prob = (chosen == greedy) * (1 - epsilon) + epsilon * count.reciprocal();
  return {chosen, prob.log().to(torch::kFloat32)};
}

}  // namespace agents
