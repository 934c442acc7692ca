#pragma once

/// Stages whose world is text.

#include "distill/run_stage.h"

namespace distill {

StageResult train_text_stage(const RunConfig& run, const StageConfig& stage,
                             const StagePaths& paths, const StageEvents& events);

StageResult score_text_stage(const RunConfig& run, const StageConfig& stage,
                             const StagePaths& paths, const StageEvents& events);

StageResult train_tokenizer_stage(const StageConfig& stage, const StagePaths& paths);

}  // namespace distill
