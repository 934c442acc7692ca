#pragma once

/// Run files as named values. Nothing else in distill sees YAML.

#include <string>

#include "distill/options.h"

namespace distill {

/// @throws ConfigError for a file that cannot be read, is not YAML, is not a map, or holds a name
///     twice; with file, line and column.
Options read_yaml(const std::string& path);

/// The same from text; `name` stands for the file in messages.
Options parse_yaml(const std::string& text, const std::string& name);

/// Sets one value as the command line gives it: `train.steps=100`, with YAML on the right. Maps
/// on the way are made where they are absent.
///
/// @throws ConfigError for text that is not `key.path=value`, or a path through what is no map.
void apply_override(Options& options, const std::string& assignment);

}  // namespace distill
