#include "envs/classic/bandit.h"

#include <cmath>
#include <numbers>
#include <string>

#include "rl/check.h"
#include "rl/random.h"

namespace envs {
namespace {

rl::EnvironmentSpec checked_spec(const BanditOptions& options) {
  const std::vector<double>& rewards = options.mean_rewards;
  rl::require(!rewards.empty(), "a bandit has at least one arm");
  for (size_t arm = 0; arm < rewards.size(); ++arm) {
    rl::require(std::isfinite(rewards[arm]), "the mean reward of arm " + std::to_string(arm) +
                                                 " must be finite, found " +
                                                 std::to_string(rewards[arm]));
  }
  rl::require(options.noise >= 0 && std::isfinite(options.noise),
              "the noise of a bandit must be at least 0 and finite, found " +
                  std::to_string(options.noise));
  const auto arms = static_cast<int64_t>(rewards.size());
  return {.observation = {.name = "state", .shape = {1}, .minimum = 1, .maximum = 1},
          .restarts = options.restarts,
          .action_count = arms,
          .max_actions = arms,
          .max_episode_steps = 1};
}

// Source: Box & Muller 1958, "A note on the generation of random normal deviates".
double normal(uint64_t key, uint64_t episode) {
  const double radius = std::sqrt(-2 * std::log1p(-rl::uniform(key, episode, 0)));
  return radius * std::cos(2 * std::numbers::pi * rl::uniform(key, episode, 1));
}

}  // namespace

Bandit::Bandit(const BanditOptions& options)
    : ParallelEnvironment(checked_spec(options), /*state_size=*/0, options.threads),
      options_(options),
      key_(rl::role_key(options.seed, "bandit/reward")) {}

void Bandit::begin(uint64_t, std::span<double>) const {}

ParallelEnvironment::Outcome Bandit::advance(std::span<double>, int64_t action,
                                             const Moment& now) const {
  double reward = options_.mean_rewards[static_cast<size_t>(action)];
  if (options_.noise > 0) reward += options_.noise * normal(key_, now.episode);
  return {.reward = reward, .ended = true};
}

void Bandit::observe(std::span<const double>, std::span<float> seen) const { seen[0] = 1; }

}  // namespace envs
