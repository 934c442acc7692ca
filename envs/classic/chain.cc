#include "envs/classic/chain.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "rl/check.h"

namespace envs {
namespace {

ChainOptions checked(const ChainOptions& options) {
  rl::require(options.length >= 2,
              "a chain has at least 2 states, found " + std::to_string(options.length));
  return options;
}

}  // namespace

Chain::Chain(const ChainOptions& options)
    : ParallelEnvironment({.observation = {.name = "state",
                                           .shape = {checked(options).length},
                                           .minimum = 0,
                                           .maximum = 1},
                           .restarts = options.restarts,
                           .action_count = 2,
                           .max_actions = 2,
                           .max_episode_steps = options.max_episode_steps},
                          /*state_size=*/1, options.threads),
      options_(options) {}

void Chain::begin(uint64_t, std::span<double> state) const { state[0] = 0; }

ParallelEnvironment::Outcome Chain::advance(std::span<double> state, int64_t action,
                                            const Moment&) const {
  double& place = state[0];
  if (action == 0) {
    const bool at_the_start = place == 0;
    place = std::max(0.0, place - 1);
    return {.reward = at_the_start ? options_.small_reward : 0, .ended = false};
  }
  ++place;
  const bool arrived = place == static_cast<double>(options_.length - 1);
  return {.reward = arrived ? 1.0 : 0.0, .ended = arrived};
}

void Chain::observe(std::span<const double> state, std::span<float> seen) const {
  std::fill(seen.begin(), seen.end(), 0.F);
  seen[static_cast<size_t>(state[0])] = 1;
}

double Chain::optimal_value(int64_t state, double gamma) const {
  const auto power = [&](int64_t steps) { return std::pow(gamma, static_cast<double>(steps)); };
  const int64_t to_go = options_.length - 2 - state;  // steps before the one that arrives
  if (to_go < 0) return 0;
  // Either straight to the right, or to the left and the small reward for ever.
  const double stay = options_.small_reward / (1 - gamma);
  return std::max(power(to_go), power(state) * stay);
}

double Chain::optimal_q(int64_t state, int64_t action, double gamma) const {
  double next = static_cast<double>(state);
  const Outcome outcome = advance({&next, 1}, action, {});
  if (outcome.ended) return outcome.reward;
  return outcome.reward + gamma * optimal_value(static_cast<int64_t>(next), gamma);
}

}  // namespace envs
