#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "distill/spec.h"
#include "rl/environment.h"

namespace distill {

/// Names of the small worlds there are.
std::vector<std::string> world_names();

/// A small world by name, with its options.
///
/// @param seed of its random draws.
/// @param restarts whether rows that are over begin a new episode at the next step.
/// @throws ConfigError for an unknown name or option, or one out of range.
std::unique_ptr<rl::Environment> make_world(const ComponentSpec& spec, uint64_t seed,
                                            bool restarts);

}  // namespace distill
