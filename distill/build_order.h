#pragma once

/// In which order the stages of a run are done.

#include <string>
#include <vector>

#include "distill/options.h"

namespace distill {

/// A stage and the stages that must be done before it.
struct Need {
  std::string name;
  std::vector<std::string> needs;
  Mark mark;  // for messages
};

/// The names, each after all that it needs; otherwise as given.
///
/// @throws ConfigError 'stage "b" needs "d": unknown stage ...', or, for a cycle,
///     "stages need each other: a -> b -> a".
std::vector<std::string> build_order(const std::vector<Need>& stages);

}  // namespace distill
