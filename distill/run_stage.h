#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "distill/evaluation.h"
#include "distill/run_config.h"
#include "distill/stage_inputs.h"
#include "rl/learner.h"
#include "rl/train_loop.h"

namespace distill {

/// What a stage tells while it runs. All may be empty.
struct StageEvents {
  /// A sentence for the log: what was loaded, trimmed, skipped.
  std::function<void(const std::string&)> say;
  /// After every update.
  std::function<void(const rl::Progress&, double share, const rl::Metrics&)> update;
  /// Whether to finish the update, write a checkpoint and stop.
  std::function<bool()> interrupted;
};

struct StageResult {
  bool interrupted = false;
  std::vector<Evaluation>
      evaluations;  // rows of the table, best-known first: teacher, ..., student
};

/// Runs one stage: a tokenizer is trained, a model is trained by its method, or models are scored.
///
/// A training stage writes `metrics.jsonl`, `checkpoints/` and, when it is done, `student/` into its
/// folder. It goes on from the newest checkpoint that it finds there.
///
/// @throws ConfigError for what the run file asks and cannot be; std::runtime_error for what goes
///         wrong on the way.
StageResult run_stage(const RunConfig& run, const StageConfig& stage, const StagePaths& paths,
                      const StageEvents& events);

}  // namespace distill
