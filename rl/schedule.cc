#include "rl/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "rl/check.h"

namespace rl {

LearningRateSchedule::LearningRateSchedule(Decay decay, int64_t warm_up, int64_t total,
                                           double minimum)
    : decay_(decay), warm_up_(warm_up), total_(total), minimum_(minimum) {
  require(warm_up >= 0, "a warm-up takes at least 0 steps, found " + std::to_string(warm_up));
  require(decay == Decay::constant || warm_up < total,
          "the warm-up must end before the run does: expected less than " + std::to_string(total) +
              " steps, found " + std::to_string(warm_up));
  require(
      minimum >= 0 && minimum <= 1,
      "the final share of the learning rate must be in [0, 1], found " + std::to_string(minimum));
}

double LearningRateSchedule::operator()(int64_t step) const {
  if (step < warm_up_) {
    return static_cast<double>(step + 1) / static_cast<double>(warm_up_ + 1);
  }
  if (decay_ == Decay::constant) return 1;
  const double done =
      std::min(1.0, static_cast<double>(step - warm_up_) / static_cast<double>(total_ - warm_up_));
  const double left =
      decay_ == Decay::linear ? 1 - done : (1 + std::cos(std::numbers::pi * done)) / 2;
  return minimum_ + (1 - minimum_) * left;
}

PiecewiseLinear::PiecewiseLinear(std::vector<Point> points) : points_(std::move(points)) {
  require(!points_.empty(), "a schedule needs at least one point");
  double before = 0;
  for (const auto& [share, value] : points_) {
    require(share >= before && share <= 1,
            "the points of a schedule must be in [0, 1] and in order, found " +
                std::to_string(share) + " after " + std::to_string(before));
    require(std::isfinite(value), "the values of a schedule must be finite");
    before = share;
  }
}

double PiecewiseLinear::operator()(double progress) const {
  const auto after =
      std::upper_bound(points_.begin(), points_.end(), progress,
                       [](double share, const Point& point) { return share < point.first; });
  if (after == points_.begin()) return after->second;
  const Point& from = *std::prev(after);
  if (after == points_.end()) return from.second;
  const double part = (progress - from.first) / (after->first - from.first);
  return from.second + part * (after->second - from.second);
}

double PiecewiseLinear::minimum() const {
  double smallest = points_.front().second;
  for (const auto& [share, value] : points_) smallest = std::min(smallest, value);
  return smallest;
}

double PiecewiseLinear::maximum() const {
  double largest = points_.front().second;
  for (const auto& [share, value] : points_) largest = std::max(largest, value);
  return largest;
}

}  // namespace rl
