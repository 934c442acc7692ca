#pragma once

/// A run from its first stage to its report.

#include <functional>
#include <iosfwd>

#include "distill/progress.h"
#include "distill/run_config.h"
#include "distill/run_folder.h"
#include "distill/run_stage.h"

namespace distill {

/// Runs one stage; `run_stage`, but for tests of the order in which things happen.
using StageFunction = std::function<StageResult(const RunConfig&, const StageConfig&,
                                                const StagePaths&, const StageEvents&)>;

/// Does the stages that are not finished, in their order, and writes the report.
///
/// @param interrupted asked after every update and between stages; the run then stops with a
///     checkpoint, and `Existing::kResume` goes on from there.
/// @param out where table and samples are printed.
/// @return false if it was interrupted.
/// @throws what RunFolder and the stages throw; whatever was written stays.
bool execute(const RunConfig& run, Existing existing, ProgressDisplay& display, std::ostream& out,
             const std::function<bool()>& interrupted, const StageFunction& stage_function);

}  // namespace distill
