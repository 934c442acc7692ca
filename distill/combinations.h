#pragma once

#include "distill/spec.h"

namespace distill {

/// Checks that the parts of an agent go together, each being right by itself.
///
/// @throws ConfigError that names the two parts and the reason: 'run.yaml:9:13: loss td goes with a target
///     network, which nothing ever renews here: set target to copy or average'.
void check_combination(const AgentSpec& agent);

}  // namespace distill
