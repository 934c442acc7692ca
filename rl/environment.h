#pragma once

#include "rl/action_set.h"
#include "rl/spec.h"
#include "rl/tensor.h"

namespace rl {

class State;

/// What a batch of B environments shows after `reset` or `step`.
struct TimeStep {
  Tensor
      observation;  // [B, ...] as EnvironmentSpec::observation says; a prefix: int64[B, L], right-padded
  Tensor length;      // int64[B] for prefixes: ids of the row that count; else undefined
  ActionSet actions;  // [B, K] the actions open to the agent now
  Tensor reward;      // float32[B] earned by the last action; 0 after reset
  Tensor discount;    // float32[B] 0 where the episode ended for good, else 1
  Tensor last;        // bool[B] true where the episode is over, ended or truncated
  Tensor episode;     // int64[B] which episode the row plays
  Tensor step;        // int64[B] actions taken in it so far

  int64_t size() const { return episode.size(0); }
};

/// The given rows of a time step, int64[B'], in the given order.
TimeStep rows_of(const TimeStep& now, const Tensor& rows);

/// A batch of Markov decision processes advanced in lockstep.
///
/// An episode is a function of its id, the environment's seed and the actions taken: what happens in
/// it does not depend on which other episodes share the batch. Ending and truncation differ: at an
/// end `discount` is 0, so nothing is bootstrapped; at a truncation (the step limit) `discount` stays
/// 1 and `last` alone is set. A row that is over ignores its action; it earns 0 and stays over, or,
/// where the spec says `restarts`, begins a new episode (id + B) at the next step.
class Environment {
 public:
  virtual ~Environment() = default;

  /// Constant over the life of the environment.
  virtual const EnvironmentSpec& spec() const = 0;

  /// Starts the episodes with the given ids.
  ///
  /// @param episodes int64[B], B >= 1, on the host.
  virtual TimeStep reset(const Tensor& episodes) = 0;

  /// Applies one action to each episode.
  ///
  /// @param action_ids int64[B]. Each must be in its row of the last `TimeStep::actions`.
  /// @throws std::invalid_argument if an action is not in its set.
  /// @throws std::logic_error if called before `reset`.
  virtual TimeStep step(const Tensor& action_ids) = 0;

  /// Goes on with some of the rows only, in the given order; the others leave the batch.
  ///
  /// @param rows int64[B'].
  virtual void keep(const Tensor& rows) = 0;

  /// What it takes to go on from the last time step in another process, to the same bits. Environments that
  /// are only ever played in whole episodes save nothing.
  ///
  /// @throws std::logic_error if called before `reset`.
  virtual void save(State& state) const { (void)state; }
  /// Goes on from what was saved.
  ///
  /// @return the time step as it was shown.
  /// @throws std::logic_error where `save` saves nothing.
  virtual TimeStep load(const State& state);
};

}  // namespace rl
