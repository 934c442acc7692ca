#include "envs/classic/classic_environment.h"

#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "rl/check.h"
#include "rl/torch.h"

namespace envs {

using rl::expect_shape;
using rl::require;
using rl::Tensor;

ClassicEnvironment::ClassicEnvironment(rl::EnvironmentSpec spec) : spec_(std::move(spec)) {
  require(spec_.max_episode_steps >= 1,
          "max_episode_steps must be at least 1, found " + std::to_string(spec_.max_episode_steps));
}

void ClassicEnvironment::start(Row& row, int64_t episode) const {
  row = {.episode = episode, .step = 0, .state = begin(episode)};
}

rl::TimeStep ClassicEnvironment::reset(const Tensor& episodes) {
  expect_shape(episodes, {rl::kAny}, "episodes");
  require(episodes.size(0) >= 1, "reset needs at least one episode");
  const Tensor ids = episodes.to(torch::kInt64).contiguous();
  stride_ = ids.size(0);
  rows_.assign(static_cast<size_t>(stride_), {});
  for (size_t i = 0; i < rows_.size(); ++i) start(rows_[i], ids.data_ptr<int64_t>()[i]);
  return show();
}

rl::TimeStep ClassicEnvironment::step(const Tensor& action_ids) {
  if (rows_.empty()) throw std::logic_error("step called before reset");
  expect_shape(action_ids, {static_cast<int64_t>(rows_.size())}, "action_ids");
  const Tensor ids = action_ids.to(torch::kCPU, torch::kInt64).contiguous();
  const int64_t* actions = ids.data_ptr<int64_t>();
  for (size_t i = 0; i < rows_.size(); ++i) {
    require(rows_[i].last || (actions[i] >= 0 && actions[i] < spec_.action_count),
            "expected an action from 0 to " + std::to_string(spec_.action_count - 1) + ", found " +
                std::to_string(actions[i]) + " in row " + std::to_string(i));
  }
  for (size_t i = 0; i < rows_.size(); ++i) {
    Row& row = rows_[i];
    if (row.last && spec_.restarts) {
      start(row, row.episode + stride_);
    } else if (row.last) {
      row.reward = 0;
    } else {
      const Outcome outcome = advance(row.state, actions[i]);
      ++row.step;
      row.reward = outcome.reward;
      row.ended = outcome.ended;
      row.last = outcome.ended || row.step >= spec_.max_episode_steps;
    }
  }
  return show();
}

void ClassicEnvironment::keep(const Tensor& rows) {
  if (rows_.empty()) throw std::logic_error("keep called before reset");
  expect_shape(rows, {rl::kAny}, "rows");
  const Tensor picks = rows.to(torch::kCPU, torch::kInt64).contiguous();
  std::vector<Row> kept;
  for (int64_t i = 0; i < picks.size(0); ++i) {
    const int64_t pick = picks.data_ptr<int64_t>()[i];
    require(
        pick >= 0 && pick < static_cast<int64_t>(rows_.size()),
        "expected a row below " + std::to_string(rows_.size()) + ", found " + std::to_string(pick));
    kept.push_back(rows_[static_cast<size_t>(pick)]);
  }
  require(!kept.empty(), "keep needs at least one row");
  rows_ = std::move(kept);
}

rl::TimeStep ClassicEnvironment::show() const {
  const auto batch = static_cast<int64_t>(rows_.size());
  std::vector<int64_t> shape = spec_.observation.shape;
  shape.insert(shape.begin(), batch);
  rl::TimeStep now;
  now.observation = torch::empty(shape, torch::kFloat32);
  now.reward = torch::empty({batch}, torch::kFloat32);
  now.discount = torch::empty({batch}, torch::kFloat32);
  now.last = torch::empty({batch}, torch::kBool);
  now.episode = torch::empty({batch}, torch::kInt64);
  now.step = torch::empty({batch}, torch::kInt64);
  now.actions.prior_log_probs =
      torch::full({batch, spec_.action_count}, -std::log(static_cast<double>(spec_.action_count)),
                  torch::kFloat32);
  const int64_t seen = now.observation.numel() / batch;
  for (int64_t i = 0; i < batch; ++i) {
    const Row& row = rows_[static_cast<size_t>(i)];
    observe(row.state, now.observation.data_ptr<float>() + i * seen);
    now.reward.data_ptr<float>()[i] = static_cast<float>(row.reward);
    now.discount.data_ptr<float>()[i] = row.ended ? 0.F : 1.F;
    now.last.data_ptr<bool>()[i] = row.last;
    now.episode.data_ptr<int64_t>()[i] = row.episode;
    now.step.data_ptr<int64_t>()[i] = row.step;
  }
  return now;
}

}  // namespace envs
