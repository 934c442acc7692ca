#include "rl/priorities.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "rl/check.h"
#include "rl/random.h"
#include "rl/torch.h"

namespace rl {

Priorities::Priorities(PriorityOptions options) : options_(options) {
  const auto found = [](double x) { return ", found " + std::to_string(x); };
  require(options.alpha >= 0, "alpha of priorities must be >= 0" + found(options.alpha));
  require(options.beta_first >= 0 && options.beta_last >= 0,
          "beta of importance weights must be >= 0" +
              found(std::min(options.beta_first, options.beta_last)));
  require(options.epsilon > 0, "epsilon of priorities must be > 0" + found(options.epsilon));
}

void Priorities::set(int64_t row, double priority) {
  tree_.set(leaf(row), std::pow(priority, options_.alpha));
  largest_ = std::max(largest_, priority);
}

void Priorities::append(int64_t count) {
  if (size_ + count > tree_.leaves()) {
    SumTree larger(size_ + count);
    for (int64_t row = first_; row < first_ + size_; ++row) {
      larger.set(row % larger.leaves(), tree_.at(leaf(row)));
    }
    tree_ = std::move(larger);
  }
  for (int64_t i = 0; i < count; ++i) set(first_ + size_++, largest_);
}

void Priorities::drop(int64_t count) {
  for (int64_t i = 0; i < count; ++i) tree_.erase(leaf(first_++));
  size_ -= count;
}

void Priorities::update(const Tensor& rows, const Tensor& errors) {
  expect_shape(rows, {kAny}, "rows");
  expect_shape(errors, {rows.size(0)}, "errors");
  const Tensor numbers = rows.to(torch::kCPU).contiguous();
  const Tensor sizes = errors.to(torch::kCPU, torch::kFloat64).abs().contiguous();
  for (int64_t i = 0; i < numbers.size(0); ++i) {
    const int64_t row = numbers.data_ptr<int64_t>()[i];
    if (row < first_ || row >= first_ + size_) continue;
    set(row, sizes.data_ptr<double>()[i] + options_.epsilon);
  }
}

std::vector<int64_t> Priorities::draw(int64_t count, uint64_t key, uint64_t draw) const {
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < count; ++i) {
    const double share = (static_cast<double>(i) + uniform(key, draw, static_cast<uint64_t>(i))) /
                         static_cast<double>(count);
    const int64_t found = tree_.find(share * tree_.total());
    // The row among those that are there whose leaf it is.
    const int64_t behind = (found - leaf(first_) + tree_.leaves()) % tree_.leaves();
    rows.push_back(first_ + behind);
  }
  return rows;
}

double Priorities::probability(int64_t row) const { return tree_.at(leaf(row)) / tree_.total(); }

Tensor Priorities::importance(const std::vector<int64_t>& rows, double progress) const {
  const double beta = options_.beta_first + (options_.beta_last - options_.beta_first) * progress;
  std::vector<double> weights;
  // N and the sum cancel in the quotient of two weights.
  for (const int64_t row : rows) {
    weights.push_back(std::pow(tree_.at(leaf(row)) / tree_.least(), -beta));
  }
  return torch::tensor(weights, torch::kFloat64).to(torch::kFloat32);
}

void Priorities::save(State& state) const {
  std::vector<double> values;
  for (int64_t row = first_; row < first_ + size_; ++row) values.push_back(tree_.at(leaf(row)));
  state.put("first", first_);
  state.put("leaves", tree_.leaves());
  state.put("largest", largest_);
  state.put("values", torch::tensor(values, torch::kFloat64));
}

void Priorities::load(const State& state) {
  const Tensor values = state.tensor("values").contiguous();
  tree_ = SumTree(state.integer("leaves"));
  first_ = state.integer("first");
  size_ = values.size(0);
  largest_ = state.number("largest");
  for (int64_t i = 0; i < size_; ++i) tree_.set(leaf(first_ + i), values.data_ptr<double>()[i]);
}

}  // namespace rl
