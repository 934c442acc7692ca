#include "rl/row_store.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "rl/check.h"
#include "rl/torch.h"

namespace rl {
namespace {

using Tensors = std::map<std::string, Tensor>;

int64_t bytes_of(const Tensors& tensors) {
  int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) {
    bytes += tensor.numel() * static_cast<int64_t>(tensor.element_size());
  }
  return bytes;
}

void require_room(const StoreLimits& limits, int64_t row_bytes) {
  require(limits.bytes == 0 || row_bytes <= limits.bytes,
          "a replay of " + std::to_string(limits.bytes) + " bytes cannot hold a row of " +
              std::to_string(row_bytes));
}

class RowList : public RowStore {
 public:
  explicit RowList(const StoreLimits& limits) : limits_(limits) {}

  void append(const Trajectory& batch) override {
    for (int64_t i = 0; i < batch.size(); ++i) {
      push(batch.select(torch::full({1}, i, batch.action.options())));
    }
  }
  void drop(int64_t count) override {
    for (int64_t i = 0; i < count; ++i) {
      bytes_ -= bytes_of(rows_.front().tensors());
      rows_.pop_front();
    }
  }
  int64_t size() const override { return static_cast<int64_t>(rows_.size()); }
  Trajectory select(const std::vector<int64_t>& rows) const override {
    std::vector<Trajectory> chosen;
    for (const int64_t row : rows) chosen.push_back(rows_[static_cast<size_t>(row)]);
    return concatenate(chosen);
  }
  void save(State& state) const override {
    const Trajectory all = concatenate({rows_.begin(), rows_.end()});
    for (const auto& [name, tensor] : all.tensors()) state.put("list." + name, tensor);
  }

 private:
  void push(Trajectory row) {
    const int64_t bytes = bytes_of(row.tensors());
    require_room(limits_, bytes);
    while (is_full(bytes)) drop(1);
    bytes_ += bytes;
    rows_.push_back(std::move(row));
  }

  bool is_full(int64_t more) const {
    return (limits_.rows > 0 && size() >= limits_.rows) ||
           (limits_.bytes > 0 && bytes_ + more > limits_.bytes);
  }

  StoreLimits limits_;
  std::deque<Trajectory> rows_;  // one row each
  int64_t bytes_ = 0;
};

class RowColumns : public RowStore {
 public:
  explicit RowColumns(const StoreLimits& limits) : limits_(limits) {}

  void append(const Trajectory& batch) override {
    if (size_ == 0) columns_.clear(), allocated_ = 0;
    Tensors added = batch.tensors();
    readout_ = batch.actions.prior_readout;
    make_alike(added);
    const int64_t room = room_for(bytes_of(added) / batch.size());
    const int64_t kept = std::min(batch.size(), room);
    if (size_ > room - kept) drop(size_ - (room - kept));
    reserve(size_ + kept, room);
    for (const auto& [name, tensor] : added) {
      write(columns_.at(name), tensor.narrow(0, batch.size() - kept, kept));
    }
    size_ += kept;
  }
  void drop(int64_t count) override {
    size_ -= count;
    first_ = size_ == 0 ? 0 : (first_ + count) % allocated_;
  }
  int64_t size() const override { return size_; }
  Trajectory select(const std::vector<int64_t>& rows) const override {
    std::vector<int64_t> places;
    for (const int64_t row : rows) places.push_back((first_ + row) % allocated_);
    const Trajectory all = Trajectory::from_tensors(columns_, readout_);
    return all.select(torch::tensor(places, torch::kInt64).to(all.action.device()));
  }
  void save(State& state) const override {
    for (const auto& [name, tensor] : columns_) state.put("columns." + name, in_order(tensor));
  }

 private:
  // How many rows of a size fit.
  int64_t room_for(int64_t row_bytes) const {
    require_room(limits_, row_bytes);
    int64_t room = std::numeric_limits<int64_t>::max();
    if (limits_.rows > 0) room = limits_.rows;
    if (limits_.bytes > 0) room = std::min(room, limits_.bytes / row_bytes);
    return room;
  }

  // Brings the stored and the new rows to one width.
  void make_alike(Tensors& added) {
    for (auto& [name, tensor] : added) {
      const auto stored = columns_.find(name);
      require(columns_.empty() || stored != columns_.end(),
              "replay: only some of the rows have " + name);
      if (columns_.empty()) continue;
      std::vector<int64_t> shape = tensor.sizes().vec();
      for (size_t d = 1; d < shape.size(); ++d) {
        shape[d] = std::max(shape[d], stored->second.size(static_cast<int64_t>(d)));
      }
      tensor = padded(name, tensor, shape);
      stored->second = padded(name, stored->second, shape);
    }
    require(columns_.empty() || columns_.size() == added.size(),
            "replay: rows lack a tensor that the others have");
    if (columns_.empty()) {
      for (const auto& [name, tensor] : added) columns_[name] = tensor.narrow(0, 0, 0);
    }
  }

  void reserve(int64_t rows, int64_t room) {
    // Rows that became wider may leave no room for as many as before.
    if (rows <= allocated_ && allocated_ <= room) return;
    const int64_t enough = std::min(std::max(rows, 2 * allocated_), room);
    for (auto& [name, tensor] : columns_) {
      std::vector<int64_t> shape = tensor.sizes().vec();
      shape[0] = enough;
      const Tensor larger = torch::empty(shape, tensor.options());
      larger.narrow(0, 0, size_).copy_(in_order(tensor));
      tensor = larger;
    }
    first_ = 0;
    allocated_ = enough;
  }

  // The ring from its oldest row on.
  Tensor in_order(const Tensor& ring) const {
    const int64_t until_end = std::min(size_, allocated_ - first_);
    return torch::cat({ring.narrow(0, first_, until_end), ring.narrow(0, 0, size_ - until_end)}, 0);
  }

  // Puts rows behind the last, around the end of the ring where it must be.
  void write(const Tensor& ring, const Tensor& rows) const {
    const int64_t count = rows.size(0), begin = (first_ + size_) % allocated_;
    const int64_t until_end = std::min(count, allocated_ - begin);
    ring.narrow(0, begin, until_end).copy_(rows.narrow(0, 0, until_end));
    ring.narrow(0, 0, count - until_end).copy_(rows.narrow(0, until_end, count - until_end));
  }

  StoreLimits limits_;
  Tensors columns_;  // [allocated, ...]
  std::shared_ptr<const Readout> readout_;
  int64_t allocated_ = 0;
  int64_t first_ = 0;  // place of the oldest row
  int64_t size_ = 0;
};

}  // namespace

std::unique_ptr<RowStore> RowStore::make(const Trajectory& batch, const StoreLimits& limits) {
  if (batch.start.defined()) return std::make_unique<RowList>(limits);
  return std::make_unique<RowColumns>(limits);
}

std::unique_ptr<RowStore> RowStore::load(const State& state, const StoreLimits& limits,
                                         std::shared_ptr<const Readout> prior_readout) {
  const int64_t count = state.integer("rows");
  if (count == 0) return nullptr;
  if (state.contains("columns.action")) {
    auto columns = std::make_unique<RowColumns>(limits);
    columns->append(
        Trajectory::from_tensors(state.part("columns").tensors(), std::move(prior_readout)));
    return columns;
  }
  auto list = std::make_unique<RowList>(limits);
  list->append(Trajectory::from_tensors(state.part("list").tensors(), std::move(prior_readout)));
  return list;
}

}  // namespace rl
