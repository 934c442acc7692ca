#include "envs/grouped_starts.h"

#include <string>
#include <utility>

#include "rl/check.h"
#include "rl/torch.h"

namespace envs {

using rl::Tensor;
using rl::TimeStep;

GroupedStarts::GroupedStarts(std::unique_ptr<rl::Environment> world, int64_t size)
    : world_(std::move(world)), size_(size) {
  rl::require(size >= 1, "a group has at least 1 episode, found " + std::to_string(size));
  rl::require(!world_->spec().restarts, "groups are of whole episodes: the world must not restart");
}

TimeStep GroupedStarts::reset(const Tensor& episodes) {
  TimeStep first = world_->reset(torch::div(episodes, size_, "floor"));
  episodes_ = episodes.to(first.episode.device(), torch::kInt64);
  first.episode = episodes_;
  return first;
}

TimeStep GroupedStarts::step(const Tensor& action_ids) {
  TimeStep next = world_->step(action_ids);
  next.episode = episodes_;
  return next;
}

void GroupedStarts::keep(const Tensor& rows) {
  world_->keep(rows);
  episodes_ = episodes_.index_select(0, rows);
}

}  // namespace envs
