#pragma once

/// What can be known of a run before it begins.

#include <string>
#include <vector>

#include "distill/run_config.h"
#include "distill/stage_paths.h"

namespace distill {

struct CheckReport {
  std::vector<std::string> facts;     // sentences: what is read, how large models are
  std::vector<std::string> problems;  // one line each: what `run` would refuse
};

/// Looks at everything that a run will read: its files, tokenizers and models, their vocabularies (as
/// token strings) and whether prompts and responses fit their contexts. What stages of the run have
/// yet to make is taken for what their configuration says.
///
/// @param is_thorough also reads all examples and loads all weights.
CheckReport check(const RunConfig& run, bool is_thorough);

/// Throws the first problem that can be found quickly, so that a run does not fail after hours over
/// what was wrong from the start.
///
/// @throws ConfigError.
void require_runnable(const RunConfig& run);

}  // namespace distill
