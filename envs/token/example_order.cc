#include "envs/token/example_order.h"

#include <string>

#include "rl/check.h"
#include "rl/random.h"

namespace envs {
namespace {

// Readers run at most a little ahead of each other, across one end of an epoch.
constexpr size_t kEpochsKept = 2;

}  // namespace

ExampleOrder::ExampleOrder(int64_t size, uint64_t seed)
    : size_(size), key_(rl::role_key(seed, "examples")) {
  rl::require(size >= 1, "there are no examples to put in order");
}

int64_t ExampleOrder::at(int64_t position) const {
  rl::require(position >= 0, "a position is not negative, asked for " + std::to_string(position));
  const int64_t epoch = position / size_;
  const std::lock_guard lock(mutex_);
  auto found = epochs_.find(epoch);
  if (found == epochs_.end()) {
    if (epochs_.size() >= kEpochsKept) epochs_.erase(epochs_.begin());
    found =
        epochs_.emplace(epoch, rl::permutation(size_, key_, static_cast<uint64_t>(epoch))).first;
  }
  return found->second[static_cast<size_t>(position % size_)];
}

}  // namespace envs
