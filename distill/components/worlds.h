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

/// What a world is made for.
struct WorldRole {
  uint64_t seed = 0;      // of its random turns
  bool restarts = false;  // rows that are over begin a new episode at the next step
  int threads = 1;        // that step a large batch
};

/// A small world by name, with its options.
///
/// @throws ConfigError for an unknown name or option, or one out of range.
std::unique_ptr<rl::Environment> make_world(const ComponentSpec& spec, const WorldRole& role);

}  // namespace distill
