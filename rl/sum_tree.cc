#include "rl/sum_tree.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "rl/check.h"

namespace rl {

constexpr double kNoLeast = std::numeric_limits<double>::infinity();

SumTree::SumTree(int64_t leaves)
    : nodes_(2 * std::bit_ceil(static_cast<size_t>(std::max<int64_t>(1, leaves))), {0, kNoLeast}) {}

void SumTree::set(int64_t leaf, double value) {
  require(value > 0 && std::isfinite(value),
          "a leaf of a sum tree must be positive and finite, found " + std::to_string(value));
  put(leaf, {value, value});
}

void SumTree::erase(int64_t leaf) { put(leaf, {0, kNoLeast}); }

void SumTree::put(int64_t leaf, const Node& node) {
  size_t i = place(leaf);
  nodes_[i] = node;
  for (i /= 2; i >= 1; i /= 2) {
    const Node &left = nodes_[2 * i], &right = nodes_[2 * i + 1];
    nodes_[i] = {left.sum + right.sum, std::min(left.least, right.least)};
  }
}

int64_t SumTree::find(double part) const {
  size_t i = 1;
  while (i < nodes_.size() / 2) {
    const Node &left = nodes_[2 * i], &right = nodes_[2 * i + 1];
    // Rounding may carry `part` past the last leaf that is not empty.
    const bool to_right = part >= left.sum && right.sum > 0;
    if (to_right) part -= left.sum;
    i = 2 * i + (to_right ? 1 : 0);
  }
  return static_cast<int64_t>(i - nodes_.size() / 2);
}

}  // namespace rl
