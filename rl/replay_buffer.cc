#include "rl/replay_buffer.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "rl/check.h"
#include "rl/random.h"
#include "rl/torch.h"

namespace rl {

ReplayBuffer::ReplayBuffer(ReplayOptions options, uint64_t seed)
    : options_(options), seed_(role_key(seed, "replay")) {
  const auto not_negative = [](int64_t x, const char* name) {
    require(x >= 0, std::string(name) + " must not be negative, found " + std::to_string(x));
  };
  not_negative(options.capacity, "replay capacity");
  not_negative(options.capacity_bytes, "replay capacity_bytes");
  not_negative(options.warm_up, "replay warm_up");
  not_negative(options.n_step, "replay n_step");
  require(options.epochs >= 1,
          "epochs must be at least 1, found " + std::to_string(options.epochs));
  require(!options.on_policy() || !options.priorities,
          "priorities need a replay: a capacity of rows or of bytes");
  if (options.priorities) priorities_.emplace(*options.priorities);
}

int64_t ReplayBuffer::size() const {
  const std::shared_lock lock(guard_->mutex);
  return count();
}

void ReplayBuffer::add(const Trajectory& batch) {
  batch.validate();
  const bool cut = options_.n_step > 0;
  const Trajectory rows = cut ? transitions(batch, options_.n_step, options_.gamma) : batch;
  if (rows.size() == 0) return;
  const std::unique_lock lock(guard_->mutex);
  if (!rows_) {
    rows_ = RowStore::make(rows, {.rows = options_.capacity, .bytes = options_.capacity_bytes});
  }
  rows_->append(rows);
  added_ += rows.size();
  if (!priorities_) return;
  priorities_->append(rows.size());
  priorities_->drop(priorities_->size() - count());
}

void ReplayBuffer::require_room(int64_t batch_size) const {
  const int64_t wanted = std::max(batch_size, options_.warm_up);
  const std::string smaller = " rows is smaller than a batch of " + std::to_string(batch_size) +
                              " or than warm_up, " + std::to_string(options_.warm_up);
  require(options_.capacity == 0 || options_.capacity >= wanted,
          "a replay of " + std::to_string(options_.capacity) + smaller);
  // Rows had to leave and still they are too few.
  require(added_ == count() || count() >= wanted,
          "a replay of " + std::to_string(options_.capacity_bytes) + " bytes, here " +
              std::to_string(count()) + smaller);
}

std::optional<Trajectory> ReplayBuffer::sample(int64_t batch_size, double progress) {
  require(batch_size >= 1, "a batch has at least 1 row, asked for " + std::to_string(batch_size));
  if (options_.on_policy()) {
    const std::unique_lock lock(guard_->mutex);
    return drain(batch_size);
  }
  const std::shared_lock lock(guard_->mutex);
  require_room(batch_size);
  return draw(batch_size, progress);
}

std::optional<Trajectory> ReplayBuffer::drain(int64_t batch_size) {
  if (count() == 0) return std::nullopt;
  std::vector<int64_t> order =
      permutation(count(), seed_, static_cast<uint64_t>(guard_->draws.load()));
  // The first epoch keeps the order of collecting.
  if (epoch_ == 0) std::sort(order.begin(), order.end());
  const int64_t end = std::min(next_ + batch_size, count());
  const Trajectory batch = rows_->select({order.begin() + next_, order.begin() + end});
  next_ = end;
  if (next_ == count()) {
    next_ = 0;
    ++guard_->draws;
    if (++epoch_ == options_.epochs) clear();
  }
  return batch;
}

std::optional<Trajectory> ReplayBuffer::draw(int64_t batch_size, double progress) const {
  if (count() < std::max(batch_size, options_.warm_up)) return std::nullopt;
  const auto draw = static_cast<uint64_t>(guard_->draws++);
  const int64_t first = added_ - count();
  if (priorities_) {
    const std::vector<int64_t> numbers = priorities_->draw(batch_size, seed_, draw);
    std::vector<int64_t> places = numbers;
    for (int64_t& place : places) place -= first;
    Trajectory batch = rows_->select(places);
    batch.importance = priorities_->importance(numbers, progress).to(batch.action.device());
    batch.memory_row = torch::tensor(numbers, torch::kInt64).to(batch.action.device());
    return batch;
  }
  std::vector<int64_t> places;
  for (int64_t i = 0; i < batch_size; ++i) {
    places.push_back(uniform_integer(seed_, draw, static_cast<uint64_t>(i), count()));
  }
  return rows_->select(places);
}

void ReplayBuffer::update(const Trajectory& batch, const Tensor& errors) {
  if (!errors.defined() || !batch.memory_row.defined()) return;
  const std::unique_lock lock(guard_->mutex);
  priorities_->update(batch.memory_row, errors);
}

void ReplayBuffer::forget() {
  if (!options_.on_policy()) return;
  const std::unique_lock lock(guard_->mutex);
  if (count() == 0) return;
  ++guard_->draws;
  clear();
}

void ReplayBuffer::clear() {
  rows_->drop(count());
  next_ = 0;
  epoch_ = 0;
}

void ReplayBuffer::save(State& state) const {
  const std::shared_lock lock(guard_->mutex);
  state.put("next", next_);
  state.put("epoch", epoch_);
  state.put("draws", guard_->draws.load());
  state.put("added", added_);
  state.put("rows", count());
  if (count() > 0) rows_->save(state);
  if (priorities_) state.save("priorities", *priorities_);
}

void ReplayBuffer::load(const State& state, std::shared_ptr<const Readout> prior_readout) {
  const std::unique_lock lock(guard_->mutex);
  next_ = state.integer("next");
  epoch_ = state.integer("epoch");
  guard_->draws = state.integer("draws");
  added_ = state.integer("added");
  rows_ = RowStore::load(state, {.rows = options_.capacity, .bytes = options_.capacity_bytes},
                         std::move(prior_readout));
  if (priorities_) priorities_->load(state.part("priorities"));
}

}  // namespace rl
