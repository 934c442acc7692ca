#pragma once

#include <cstdint>
#include <vector>

#include "rl/checkpoint.h"
#include "rl/sum_tree.h"
#include "rl/tensor.h"

namespace rl {

struct PriorityOptions {
  double alpha = 0.6;       // rows are drawn with probability ~ priority^alpha; 0: all alike
  double beta_first = 0.4;  // importance weights are (N P)^-beta, beta linear in progress
  double beta_last = 1;
  double epsilon = 1e-6;  // added to the size of an error, so that every row can be drawn
};

/// How likely the rows of a memory are to be drawn, by how wrong the learner was about them. Rows are
/// named by their number in the order of coming; those that are there follow each other.
///
/// Source: Schaul et al. 2016, arXiv:1511.05952, proportional prioritisation, strata included.
class Priorities {
 public:
  /// @throws std::invalid_argument for options out of range.
  explicit Priorities(PriorityOptions options);

  /// The next `count` rows come, with the largest priority so far, so that each is soon seen.
  void append(int64_t count);
  /// The oldest rows leave.
  void drop(int64_t count);
  /// What the errors of some rows make of their priorities; rows that have left are passed over.
  ///
  /// @param rows int64[n].
  /// @param errors float[n], of either sign.
  void update(const Tensor& rows, const Tensor& errors);

  int64_t size() const { return size_; }
  /// One row from each of `count` equal parts of the sum; a function of (key, draw).
  std::vector<int64_t> draw(int64_t count, uint64_t key, uint64_t draw) const;
  /// P of a row that is there.
  double probability(int64_t row) const;
  /// float32[n]: (N P)^-beta, divided by the largest of all rows that are there.
  ///
  /// @param progress share of the training done, in [0, 1].
  Tensor importance(const std::vector<int64_t>& rows, double progress) const;

  void save(State& state) const;
  void load(const State& state);

 private:
  int64_t leaf(int64_t row) const { return row % tree_.leaves(); }
  void set(int64_t row, double priority);

  PriorityOptions options_;
  SumTree tree_{1};    // priority^alpha
  int64_t first_ = 0;  // number of the oldest row
  int64_t size_ = 0;
  double largest_ = 1;  // priority met so far
};

}  // namespace rl
