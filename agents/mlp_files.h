#pragma once

#include <memory>
#include <string>

#include "agents/nets/mlp.h"

namespace agents {

/// Writes `config.json` and `model.safetensors` into a folder, which is made.
///
/// @throws std::runtime_error naming the file that cannot be written.
void save_mlp(const MlpPolicy& policy, const std::string& folder);

/// Reads what `save_mlp` wrote.
///
/// @throws std::runtime_error naming the file, and the key or tensor that is missing or wrong.
std::shared_ptr<MlpPolicy> load_mlp(const std::string& folder);

}  // namespace agents
