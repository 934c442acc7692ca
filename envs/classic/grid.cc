#include "envs/classic/grid.h"

#include <algorithm>

#include "rl/check.h"

namespace envs {
namespace {

using rl::require;

struct Cell {
  size_t row, column;
};

// Left, down, right, up: those next to each other in this order are at right angles.
constexpr size_t kMoves = 4;

Cell moved(const Cell& from, size_t move, const std::vector<std::string>& map) {
  const size_t rows = map.size(), columns = map[0].size();
  switch (move) {
    case 0:
      return {from.row, from.column - (from.column > 0 ? 1 : 0)};
    case 1:
      return {std::min(from.row + 1, rows - 1), from.column};
    case 2:
      return {from.row, std::min(from.column + 1, columns - 1)};
    default:
      return {from.row - (from.row > 0 ? 1 : 0), from.column};
  }
}

std::string name_of(size_t row, size_t column) {
  return "row " + std::to_string(row) + ", column " + std::to_string(column);
}

void check_map(const std::vector<std::string>& map) {
  require(!map.empty() && !map[0].empty(), "the map of a grid is empty");
  for (size_t row = 0; row < map.size(); ++row) {
    require(map[row].size() == map[0].size(),
            "row " + std::to_string(row) + " of a grid: expected " + std::to_string(map[0].size()) +
                " cells, found " + std::to_string(map[row].size()));
    const size_t wrong = map[row].find_first_not_of("SFHG");
    require(wrong == std::string::npos,
            "cell (" + name_of(row, wrong) + ") of a grid: expected S, F, H or G, found \"" +
                (wrong == std::string::npos ? "" : map[row].substr(wrong, 1)) + "\"");
  }
}

void check_goals(const DecisionProcess& process, const std::vector<std::string>& map) {
  const std::vector<bool> seen = reachable(process);
  bool any = false;
  for (size_t s = 0; s < seen.size(); ++s) {
    const size_t row = s / map[0].size(), column = s % map[0].size();
    if (map[row][column] != 'G') continue;
    any = true;
    require(seen[s], "the goal at " + name_of(row, column) + " of a grid cannot be reached");
  }
  require(any, "a grid needs a goal, G");
}

}  // namespace

DecisionProcess grid(const GridOptions& options) {
  const std::vector<std::string>& map = options.map;
  check_map(map);
  DecisionProcess process;
  process.source = "grid";
  process.actions = {"left", "down", "right", "up"};
  const size_t columns = map[0].size();
  for (size_t row = 0; row < map.size(); ++row) {
    for (size_t column = 0; column < columns; ++column) {
      const char letter = map[row][column];
      boost::add_vertex(StateNode{.name = name_of(row, column),
                                  .terminal = letter == 'H' || letter == 'G',
                                  .start = letter == 'S' ? 1.0 : 0.0,
                                  .place = ""},
                        process.graph);
    }
  }
  for (size_t state = 0; state < map.size() * columns; ++state) {
    if (process.graph[state].terminal) continue;
    for (size_t action = 0; action < kMoves; ++action) {
      std::vector<size_t> moves = {action};
      if (options.slippery) moves = {(action + kMoves - 1) % kMoves, action, (action + 1) % kMoves};
      for (const size_t move : moves) {
        const Cell to = moved({state / columns, state % columns}, move, map);
        const double goal = map[to.row][to.column] == 'G' ? 1 : 0;
        boost::add_edge(state, to.row * columns + to.column,
                        OutcomeEdge{.action = static_cast<int64_t>(action),
                                    .probability = 1 / static_cast<double>(moves.size()),
                                    .reward = options.step_reward + goal,
                                    .place = ""},
                        process.graph);
      }
    }
  }
  validate(process);
  check_goals(process, map);
  return process;
}

}  // namespace envs
