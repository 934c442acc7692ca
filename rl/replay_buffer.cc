#include "rl/replay_buffer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "rl/check.h"
#include "rl/random.h"
#include "rl/torch.h"

namespace rl {
namespace {

std::vector<Trajectory> rows_of(const Trajectory& batch) {
  std::vector<Trajectory> rows;
  for (int64_t i = 0; i < batch.size(); ++i) {
    rows.push_back(batch.select(torch::full({1}, i, batch.action.options())));
  }
  return rows;
}

}  // namespace

ReplayBuffer::ReplayBuffer(ReplayOptions options, uint64_t seed)
    : options_(options), seed_(role_key(seed, "replay")) {
  require(options.capacity >= 0,
          "replay capacity must not be negative, found " + std::to_string(options.capacity));
  require(options.epochs >= 1,
          "epochs must be at least 1, found " + std::to_string(options.epochs));
}

void ReplayBuffer::add(const Trajectory& batch) {
  batch.validate();
  for (Trajectory& row : rows_of(batch)) rows_.push_back(std::move(row));
  while (options_.capacity > 0 && size() > options_.capacity) rows_.pop_front();
}

std::optional<Trajectory> ReplayBuffer::sample(int64_t batch_size) {
  require(batch_size >= 1, "a batch has at least 1 row, asked for " + std::to_string(batch_size));
  require(options_.capacity == 0 || options_.capacity >= batch_size,
          "a replay of " + std::to_string(options_.capacity) + " rows is smaller than a batch of " +
              std::to_string(batch_size));
  return options_.capacity == 0 ? drain(batch_size) : draw(batch_size);
}

std::optional<Trajectory> ReplayBuffer::drain(int64_t batch_size) {
  if (rows_.empty()) return std::nullopt;
  std::vector<int64_t> order = permutation(size(), seed_, static_cast<uint64_t>(draws_));
  // The first epoch keeps the order of collecting.
  if (epoch_ == 0) std::sort(order.begin(), order.end());
  std::vector<Trajectory> chosen;
  const int64_t end = std::min(next_ + batch_size, size());
  for (; next_ < end; ++next_) {
    chosen.push_back(rows_[static_cast<size_t>(order[static_cast<size_t>(next_)])]);
  }
  if (next_ == size()) {
    next_ = 0;
    ++draws_;
    if (++epoch_ == options_.epochs) {
      epoch_ = 0;
      rows_.clear();
    }
  }
  return concatenate(chosen);
}

std::optional<Trajectory> ReplayBuffer::draw(int64_t batch_size) {
  if (size() < batch_size) return std::nullopt;
  std::vector<Trajectory> chosen;
  for (int64_t i = 0; i < batch_size; ++i) {
    const int64_t row =
        uniform_integer(seed_, static_cast<uint64_t>(draws_), static_cast<uint64_t>(i), size());
    chosen.push_back(rows_[static_cast<size_t>(row)]);
  }
  ++draws_;
  return concatenate(chosen);
}

void ReplayBuffer::save(State& state) const {
  state.put("next", next_);
  state.put("epoch", epoch_);
  state.put("draws", draws_);
  state.put("rows", size());
  for (size_t i = 0; i < rows_.size(); ++i) {
    for (const auto& [name, tensor] : rows_[i].tensors()) {
      state.put("row" + std::to_string(i) + "." + name, tensor);
    }
  }
}

void ReplayBuffer::load(const State& state, std::shared_ptr<const Readout> prior_readout) {
  next_ = state.integer("next");
  epoch_ = state.integer("epoch");
  draws_ = state.integer("draws");
  rows_.clear();
  const int64_t count = state.integer("rows");
  for (int64_t i = 0; i < count; ++i) {
    const State row = state.part("row" + std::to_string(i));
    rows_.push_back(Trajectory::from_tensors(row.tensors(), prior_readout));
  }
}

}  // namespace rl
