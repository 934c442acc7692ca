#pragma once

#include <string>

#include "envs/decision_process.h"

namespace envs {

/// Reads a decision process from a file, by its ending: a YAML table (.yaml, .yml), GraphViz (.dot, .gv) or
/// GraphML (.graphml). The keys are the same everywhere:
///
///     actions: [left, right]             # optional; else sorted by name
///     states:                            # those that differ from the defaults
///       middle: {start: 1}               # weight with which episodes begin here, default 0
///       goal: {terminal: true}
///     transitions:
///       - {from: middle, action: right, to: goal, probability: 0.8, reward: 1}   # defaults 1 and 0
///       - {from: middle, action: right, to: middle, probability: 0.2}
///
/// In GraphViz and GraphML, `start` and `terminal` belong to the nodes, `action`, `probability` and `reward`
/// to the edges; a node of GraphML has a `name`. Attributes that only draw (label, shape, color, style,
/// pos) are left alone.
///
/// @throws std::invalid_argument for a file that cannot be read, a key that is not known, a value of the
///     wrong type, or what is no decision process (see `validate`).
DecisionProcess read_decision_process(const std::string& path);

}  // namespace envs
