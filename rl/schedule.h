#pragma once

/// Numbers that change in the course of a run.

#include <cstdint>
#include <utility>
#include <vector>

namespace rl {

/// How a learning rate falls after the warm-up.
enum class Decay { constant, linear, cosine };

/// A factor for the learning rate: it rises in a straight line over the warm-up, reaches 1 at step
/// `warm_up` and falls from there to `minimum` at step `total`.
///
/// Source: Loshchilov & Hutter 2017, arXiv:1608.03983, for the cosine.
class LearningRateSchedule {
 public:
  /// @param warm_up, total steps; total is not used when constant.
  /// @param minimum share of the learning rate that is left at the end, in [0, 1].
  /// @throws std::invalid_argument unless 0 <= warm_up, and warm_up < total where it falls.
  LearningRateSchedule(Decay decay, int64_t warm_up, int64_t total, double minimum = 0);

  /// @param step updates applied so far, from 0. Never 0 at the first step, so that it learns.
  double operator()(int64_t step) const;

 private:
  Decay decay_;
  int64_t warm_up_, total_;
  double minimum_;
};

/// A number as a function of the share of the run that is done: straight lines between points, and
/// constant before the first and after the last. One point is a constant; two points with the same
/// share are a jump, which has happened once the share is reached.
class PiecewiseLinear {
 public:
  using Point = std::pair<double, double>;  // share of the run in [0, 1], value

  /// A constant.
  explicit PiecewiseLinear(double value) : PiecewiseLinear({{0.0, value}}) {}
  /// @throws std::invalid_argument without points, or unless shares are in [0, 1] and never fall.
  explicit PiecewiseLinear(std::vector<Point> points);

  double operator()(double progress) const;
  /// The smallest and the largest value it takes.
  double minimum() const;
  double maximum() const;

 private:
  std::vector<Point> points_;
};

}  // namespace rl
