#pragma once

#include <string>
#include <vector>

#include "envs/decision_process.h"

namespace envs {

struct GridOptions {
  /// Rows of equal length: S where episodes begin, F ice, H a hole, G the goal.
  std::vector<std::string> map = {"SFFF", "FHFH", "FFFH", "HFFG"};
  bool slippery = true;    // a move goes as meant or to either side of that, a third each
  double step_reward = 0;  // of every move; the one that reaches the goal pays 1 more
};

/// A walk over a frozen lake, as in Gymnasium's FrozenLake-v1: actions left, down, right, up; a move off
/// the map stays where it is; holes and the goal end the episode. States are cells, row by row. Play it as
/// a `GraphWorld`.
///
/// @throws std::invalid_argument naming row and column for a map that is empty, not a rectangle, has other
///     letters, no start or no goal, or a goal that cannot be reached.
DecisionProcess grid(const GridOptions& options);

}  // namespace envs
