#pragma once

/// Stages whose world is a small one.

#include <cstdint>
#include <string>

#include "agents/nets/mlp.h"
#include "distill/run_stage.h"

namespace distill {

/// The picture that a training stage leaves in its folder, where it was measured on the way.
inline constexpr const char* kLearningCurve = "learning_curve.svg";

/// The shape of a policy: what the run file says, or the stage or folder it comes from.
///
/// @throws ConfigError for unknown keys and values out of range, or where it does not fit the world.
agents::MlpOptions mlp_options(const ModelConfig& model, const rl::EnvironmentSpec& world,
                               uint64_t seed);

StageResult train_world_stage(const RunConfig& run, const StageConfig& stage,
                              const StagePaths& paths, const StageEvents& events);

StageResult score_world_stage(const RunConfig& run, const StageConfig& stage,
                              const StagePaths& paths, const StageEvents& events);

}  // namespace distill
