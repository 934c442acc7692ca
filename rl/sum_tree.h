#pragma once

#include <cstdint>
#include <vector>

namespace rl {

/// Non-negative numbers with their sum and their least, and where a part of the sum ends: changes and
/// look-ups cost O(log n).
///
/// Sums are worked out from the leaves up, never by adding a difference: they depend on what the
/// leaves hold and not on how it came there.
class SumTree {
 public:
  /// All leaves are empty: they count as 0 in the sum and not at all in the least.
  ///
  /// @param leaves rounded up to a power of two.
  explicit SumTree(int64_t leaves);

  int64_t leaves() const { return static_cast<int64_t>(nodes_.size()) / 2; }
  double at(int64_t leaf) const { return nodes_[place(leaf)].sum; }
  /// @throws std::invalid_argument unless value > 0 and finite.
  void set(int64_t leaf, double value);
  void erase(int64_t leaf);

  double total() const { return nodes_[1].sum; }
  /// The least of all leaves that are not empty; infinity where all are.
  double least() const { return nodes_[1].least; }
  /// The leaf in which the running sum passes `part`, 0 <= part < total; never an empty one.
  int64_t find(double part) const;

 private:
  struct Node {
    double sum, least;
  };

  size_t place(int64_t leaf) const { return nodes_.size() / 2 + static_cast<size_t>(leaf); }
  void put(int64_t leaf, const Node& node);

  std::vector<Node> nodes_;  // node i is above 2 i and 2 i + 1
};

}  // namespace rl
