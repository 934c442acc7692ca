#include "envs/graph_world.h"

#include <algorithm>

#include "rl/random.h"
#include "rl/torch.h"

namespace envs {
namespace {

size_t index_of(std::span<const double> state) { return static_cast<size_t>(state[0]); }

bool offer_everything(const DecisionProcess& process) {
  for (const std::vector<Offer>& offers : offers_of(process)) {
    const auto count = static_cast<int64_t>(offers.size());
    if (count != 0 && count != process.action_count()) return false;
  }
  return true;
}

rl::Tensor closed_actions(const DecisionProcess& process) {
  rl::Tensor closed = torch::zeros({process.state_count(), process.action_count()}, torch::kBool);
  const auto all_offers = offers_of(process);
  for (size_t state = 0; state < all_offers.size(); ++state) {
    if (all_offers[state].empty()) continue;  // nobody acts where an episode is over
    rl::Tensor row = closed[static_cast<int64_t>(state)].fill_(true);
    for (const Offer& offer : all_offers[state]) row[offer.action] = false;
  }
  return closed;
}

rl::EnvironmentSpec checked_spec(const DecisionProcess& process, const GraphWorldOptions& options) {
  validate(process);
  size_t slots = 0;
  for (const std::vector<Offer>& offers : offers_of(process))
    slots = std::max(slots, offers.size());
  const bool every_action = offer_everything(process);
  return {.observation = {.name = "state",
                          .shape = {process.state_count()},
                          .minimum = 0,
                          .maximum = 1},
          .restarts = options.restarts,
          .action_count = process.action_count(),
          .max_actions = static_cast<int64_t>(slots),
          .max_episode_steps = options.max_episode_steps,
          .closed_actions = every_action ? rl::Tensor() : closed_actions(process)};
}

// The index at which the sum of the probabilities passes `point`, in [0, 1).
template <typename Range, typename Probability>
size_t draw(const Range& range, const Probability& probability_of, double point) {
  size_t last = 0;
  for (size_t i = 0; i < range.size(); ++i) {
    if (probability_of(range[i]) == 0) continue;
    last = i;
    point -= probability_of(range[i]);
    if (point < 0) break;
  }
  return last;  // rounding may leave a little of `point` at the end
}

}  // namespace

GraphWorld::GraphWorld(const DecisionProcess& process, const GraphWorldOptions& options)
    : ParallelEnvironment(checked_spec(process, options), /*state_size=*/1, options.threads,
                          offer_everything(process)),
      process_(process),
      offers_(offers_of(process)),
      start_(start_of(process)),
      start_key_(rl::role_key(options.seed, "graph_world/start")),
      outcome_key_(rl::role_key(options.seed, "graph_world/outcome")) {
  for (const std::vector<Offer>& offers : offers_) {
    std::vector<int64_t>& actions = actions_.emplace_back();
    for (const Offer& offer : offers) actions.push_back(offer.action);
    // Where an episode is over, its action is not looked at; the set just is not empty.
    if (actions.empty()) actions.push_back(0);
  }
}

void GraphWorld::begin(uint64_t episode, std::span<double> state) const {
  const auto probability = [](double p) { return p; };
  state[0] = static_cast<double>(draw(start_, probability, rl::uniform(start_key_, episode, 0)));
}

ParallelEnvironment::Outcome GraphWorld::advance(std::span<double> state, int64_t action,
                                                 const Moment& now) const {
  const std::vector<Offer>& offers = offers_[index_of(state)];
  const auto& branches = std::find_if(offers.begin(), offers.end(), [&](const Offer& offer) {
                           return offer.action == action;
                         })->branches;
  size_t pick = 0;
  if (branches.size() > 1) {
    const auto probability = [](const Offer::Branch& branch) { return branch.probability; };
    pick = draw(branches, probability, rl::uniform(outcome_key_, now.episode, now.step));
  }
  const Offer::Branch& branch = branches[pick];
  state[0] = static_cast<double>(branch.next);
  return {.reward = branch.reward,
          .ended = process_.graph[static_cast<size_t>(branch.next)].terminal};
}

void GraphWorld::observe(std::span<const double> state, std::span<float> seen) const {
  std::fill(seen.begin(), seen.end(), 0.F);
  seen[index_of(state)] = 1;
}

std::span<const int64_t> GraphWorld::open_actions(std::span<const double> state) const {
  return actions_[index_of(state)];
}

}  // namespace envs
