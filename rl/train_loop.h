#pragma once

#include <cstdint>
#include <functional>

#include "rl/agent.h"

namespace rl {

struct TrainOptions {
  int64_t steps = 0;           // updates; 0: only the budget ends the training
  int64_t step_budget = 0;     // trained steps (tokens, for text) in all; 0: only updates count
  int64_t collect_budget = 0;  // collected steps in all; 0: no limit
  int64_t batch_size = 1;      // rows per update
  int64_t episodes_per_collect = 0;  // rows collected at a time; 0: batch_size
  int64_t updates_per_collect = 0;  // at most so many updates before more is collected; 0: no limit
};

/// Where a training stands; enough, with the agent's own state, to go on.
struct Progress {
  int64_t updates = 0;
  int64_t trained_steps = 0;
  int64_t collected_steps = 0;
  int64_t next_episode = 0;
  int64_t updates_since_collect = 0;

  /// Share of the training done, in [0, 1].
  double share(const TrainOptions& options) const;
  bool done(const TrainOptions& options) const;

  void save(State& state) const;
  void load(const State& state);
};

/// Called after every update; false ends the training there.
using AfterUpdate = std::function<bool(const Progress&, const Metrics&)>;

/// The only training loop: collect, remember, learn.
///
/// A budget of collected steps ends the training where it is spent: what was collected last is not learned
/// from.
///
/// @throws std::invalid_argument if neither updates nor a budget is given, or if the budget of collected
///         steps is spent before the first update.
void train(Agent& agent, const TrainOptions& options, Progress& progress,
           const AfterUpdate& after_update);

}  // namespace rl
