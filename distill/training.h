#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "distill/components/domain.h"
#include "distill/run_config.h"
#include "distill/run_stage.h"
#include "distill/spec.h"
#include "rl/metrics.h"
#include "rl/parallel.h"
#include "rl/train_loop.h"

namespace distill {

/// What a stage brings to its training.
struct Training {
  const Domain& domain;
  uint64_t seed = 1;
  rl::Threads threads;
  /// What is measured every `evaluate_every` updates, by name; `loss` is what says how well the student
  /// does, the lower the better.
  struct Measured {
    rl::Metrics metrics;
    double loss = 0;
  };
  std::function<Measured(const rl::Progress&)> measure;
  /// Held-out rows, on which the distillation loss of an agent with patience is measured; without rows
  /// there is none.
  rl::Trajectory held_out = {};
};

/// Positions a network works on at a time per shard.
int64_t micro_batch_tokens(const TrainConfig& train);

/// How a training ended.
struct Learned {
  bool interrupted = false;  // after writing a checkpoint
  int64_t generated = 0;     // steps, or tokens, that actors took or wrote to be learned from
  double seconds = 0;        // of all parts of a training that was stopped and went on
};

/// Trains an agent to the end of its budget, with metrics and checkpoints in `folder`; goes on from the
/// newest checkpoint there.
Learned learn(const AgentSpec& spec, const TrainConfig& train, const Training& training,
              const std::string& folder, const StageEvents& events);

}  // namespace distill
