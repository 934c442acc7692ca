#include "agents/actors/small_world_actors.h"

#include <utility>

#include "rl/random.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

MlpActor::MlpActor(std::shared_ptr<const MlpPolicy> policy, const SamplingOptions& sampling,
                   uint64_t seed, std::string_view role)
    : policy_(std::move(policy)), sampling_(sampling), key_(rl::role_key(seed, role)) {
  sampling.validate();
}

rl::Choice MlpActor::act(const rl::TimeStep& now) {
  torch::NoGradGuard no_grad;
  return sample(policy_->logits(now.observation), sampling_,
                rl::uniform(key_, now.episode, now.step));
}

EpsilonGreedy::EpsilonGreedy(std::shared_ptr<const MlpPolicy> policy,
                             std::function<double(double)> epsilon, uint64_t seed)
    : policy_(std::move(policy)),
      epsilon_(std::move(epsilon)),
      explore_key_(rl::role_key(seed, "explore")),
      action_key_(rl::role_key(seed, "random action")) {}

rl::Choice EpsilonGreedy::act(const rl::TimeStep& now) {
  torch::NoGradGuard no_grad;
  const Tensor logits = policy_->logits(now.observation);
  const auto actions = static_cast<double>(logits.size(-1));
  const double epsilon = epsilon_(progress_);
  const Tensor greedy = logits.argmax(-1);
  const Tensor random =
      (rl::uniform(action_key_, now.episode, now.step) * actions).to(torch::kInt64);
  const Tensor explores = rl::uniform(explore_key_, now.episode, now.step) < epsilon;
  const Tensor chosen = torch::where(explores, random, greedy);
  const Tensor prob =
      torch::where(chosen == greedy, torch::full_like(logits.select(-1, 0), 1 - epsilon),
                   torch::zeros_like(logits.select(-1, 0))) +
      epsilon / actions;
  return {chosen, prob.log()};
}

}  // namespace agents
