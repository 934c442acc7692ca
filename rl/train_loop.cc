#include "rl/train_loop.h"

#include <algorithm>

#include "rl/check.h"
#include "rl/torch.h"

namespace rl {
namespace {

void collect(Agent& agent, const TrainOptions& options, Progress& progress) {
  const int64_t count =
      options.episodes_per_collect > 0 ? options.episodes_per_collect : options.batch_size;
  const Tensor episodes = torch::arange(progress.next_episode, progress.next_episode + count);
  Trajectory batch = agent.source->collect(episodes, progress.share(options));
  progress.collected_steps += batch.mask.sum().item<int64_t>();
  for (const auto& learner : agent.learners) batch = learner->prepare(batch);
  agent.memory.add(batch);
  progress.next_episode += count;
  progress.updates_since_collect = 0;
}

// Those whose turn the update with the given number (from 0) is.
std::vector<Learner*> learners_at(const Agent& agent, int64_t update) {
  const auto count = static_cast<int64_t>(agent.learners.size());
  const int64_t turn =
      agent.alternate_every > 0 ? update / agent.alternate_every % count : int64_t{-1};
  std::vector<Learner*> found;
  for (int64_t i = 0; i < count; ++i) {
    if (turn < 0 || turn == i) found.push_back(agent.learners[static_cast<size_t>(i)].get());
  }
  return found;
}

// One update of every learner whose turn it is.
Metrics learn(Agent& agent, const Trajectory& batch, int64_t update, double progress) {
  Metrics metrics;
  Tensor errors;
  const std::vector<Learner*> learners = learners_at(agent, update);
  for (Learner* learner : learners) {
    const Tensor found = learner->accumulate(batch);
    if (found.defined()) errors = errors.defined() ? errors + found : found;
  }
  for (Learner* learner : learners) merge(metrics, learner->step(progress));
  agent.memory.update(batch, errors);
  const bool enough = std::any_of(learners.begin(), learners.end(),
                                  [](const Learner* learner) { return learner->enough(); });
  if (enough) agent.memory.forget();
  return metrics;
}

}  // namespace

double Progress::share(const TrainOptions& options) const {
  const auto part = [](int64_t done, int64_t all) {
    return all > 0 ? static_cast<double>(done) / static_cast<double>(all) : 0.0;
  };
  return std::min(1.0,
                  std::max({part(updates, options.steps), part(trained_steps, options.step_budget),
                            part(collected_steps, options.collect_budget)}));
}

bool Progress::done(const TrainOptions& options) const { return share(options) >= 1; }

void Progress::save(State& state) const {
  state.put("updates", updates);
  state.put("trained_steps", trained_steps);
  state.put("collected_steps", collected_steps);
  state.put("next_episode", next_episode);
  state.put("updates_since_collect", updates_since_collect);
}

void Progress::load(const State& state) {
  updates = state.integer("updates");
  trained_steps = state.integer("trained_steps");
  collected_steps = state.integer("collected_steps");
  next_episode = state.integer("next_episode");
  updates_since_collect = state.integer("updates_since_collect");
}

void train(Agent& agent, const TrainOptions& options, Progress& progress,
           const AfterUpdate& after_update) {
  require(options.steps > 0 || options.step_budget > 0 || options.collect_budget > 0,
          "training needs a number of updates or a budget of trained or collected steps");
  require(options.batch_size >= 1, "batch_size must be at least 1");
  bool go_on = true;
  while (go_on && !progress.done(options)) {
    const bool due = options.updates_per_collect > 0 &&
                     progress.updates_since_collect >= options.updates_per_collect;
    std::optional<Trajectory> batch;
    if (!due) batch = agent.memory.sample(options.batch_size, progress.share(options));
    if (!batch) {
      collect(agent, options, progress);
      continue;
    }
    const Metrics metrics = learn(agent, *batch, progress.updates, progress.share(options));
    progress.trained_steps += batch->mask.sum().item<int64_t>();
    ++progress.updates;
    ++progress.updates_since_collect;
    go_on = after_update(progress, metrics);
  }
  require(progress.updates > 0, "a budget of " + std::to_string(options.collect_budget) +
                                    " collected steps was spent before anything was learned: " +
                                    std::to_string(progress.collected_steps) +
                                    " were collected; it must be larger");
}

}  // namespace rl
