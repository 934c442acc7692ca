#pragma once

#include <vector>

#include "distill/run_stage.h"
#include "envs/token/labelled_texts.h"

namespace distill {

/// The labelled texts of a task, learned from and held out.
struct TaskTexts {
  std::vector<envs::LabelledText> training, validation;
};

/// @throws ConfigError where a part is empty; std::invalid_argument "file:line: ..." for what cannot be read.
TaskTexts read_task(const TaskConfig& task, const Mark& mark);

/// Runs a stage of labelled texts: a classifier or a student is trained, a soft prompt tuned, or a store filled.
/// Like the others it goes on from its newest checkpoint.
StageResult run_label_stage(const RunConfig& run, const StageConfig& stage, const StagePaths& paths,
                            const StageEvents& events);

}  // namespace distill
