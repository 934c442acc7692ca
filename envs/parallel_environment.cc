#include "envs/parallel_environment.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "rl/check.h"
#include "rl/checkpoint.h"
#include "rl/torch.h"

namespace envs {
namespace {

// Rows that a thread steps at a time: enough to be worth waking it for.
constexpr int64_t kBlock = 512;
constexpr float kNothing = -std::numeric_limits<float>::infinity();

int64_t product(const std::vector<int64_t>& shape) {
  int64_t result = 1;
  for (const int64_t size : shape) result *= size;
  return result;
}

template <typename F>
void for_each_row(const rl::Workers& workers, int64_t batch, const F& f) {
  workers.run_blocks(batch, kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) f(row);
  });
}

}  // namespace

using rl::expect_shape;
using rl::require;
using rl::Tensor;
using rl::TimeStep;

// Where the numbers of a time step lie.
struct ParallelEnvironment::Rows {
  explicit Rows(const TimeStep& now)
      : seen(now.observation.data_ptr<float>()),
        prior(now.actions.prior_log_probs.data_ptr<float>()),
        reward(now.reward.data_ptr<float>()),
        discount(now.discount.data_ptr<float>()),
        last(now.last.data_ptr<bool>()),
        action_ids(now.actions.is_full() ? nullptr : now.actions.ids.data_ptr<int64_t>()),
        episode(now.episode.data_ptr<int64_t>()),
        step(now.step.data_ptr<int64_t>()) {}

  float *seen, *prior, *reward, *discount;
  bool* last;
  int64_t *action_ids, *episode, *step;
};

ParallelEnvironment::ParallelEnvironment(rl::EnvironmentSpec spec, int64_t state_size, int threads,
                                         bool every_action)
    : spec_(std::move(spec)),
      state_size_(state_size),
      seen_size_(product(spec_.observation.shape)),
      every_action_(every_action),
      workers_(threads) {
  require(spec_.max_episode_steps >= 1,
          "max_episode_steps must be at least 1, found " + std::to_string(spec_.max_episode_steps));
  require(threads >= 1, "threads must be at least 1, found " + std::to_string(threads));
}

std::span<const int64_t> ParallelEnvironment::open_actions(std::span<const double>) const {
  return {};
}

TimeStep ParallelEnvironment::reset(const Tensor& episodes) {
  expect_shape(episodes, {rl::kAny}, "episodes");
  require(episodes.size(0) >= 1, "reset needs at least one episode");
  const Tensor ids = episodes.to(torch::kInt64).contiguous();
  stride_ = ids.size(0);
  states_ = torch::empty({stride_, state_size_}, torch::kFloat64);
  now_ = blank(stride_);
  const Rows rows(now_);
  const int64_t* first = ids.data_ptr<int64_t>();
  for_each_row(workers_, stride_, [&](int64_t row) {
    start(rows, row, first[row]);
    show(rows, row);
  });
  return now_;
}

TimeStep ParallelEnvironment::step(const Tensor& action_ids) {
  if (!now_.episode.defined()) throw std::logic_error("step called before reset");
  expect_shape(action_ids, {now_.size()}, "action_ids");
  const Tensor ids = action_ids.to(torch::kCPU, torch::kInt64).contiguous();
  const int64_t* actions = ids.data_ptr<int64_t>();
  check(actions);
  const TimeStep next = blank(now_.size());
  const Rows from(now_), to(next);
  for_each_row(workers_, now_.size(), [&](int64_t row) {
    if (!from.last[row]) {
      take(from, to, row, actions[row]);
    } else if (spec_.restarts) {
      start(to, row, from.episode[row] + stride_);
    } else {
      rest(from, to, row);
    }
    show(to, row);
  });
  return now_ = next;
}

void ParallelEnvironment::keep(const Tensor& rows) {
  if (!now_.episode.defined()) throw std::logic_error("keep called before reset");
  expect_shape(rows, {rl::kAny}, "rows");
  const Tensor picks = rows.to(torch::kCPU, torch::kInt64);
  require(picks.size(0) >= 1, "keep needs at least one row");
  for (const Tensor& pick : {picks.min(), picks.max()}) {
    const int64_t row = pick.item<int64_t>();
    require(row >= 0 && row < now_.size(), "expected a row below " + std::to_string(now_.size()) +
                                               ", found " + std::to_string(row));
  }
  now_ = rl::rows_of(now_, picks);
  states_ = states_.index_select(0, picks);
}

void ParallelEnvironment::save(rl::State& state) const {
  if (!now_.episode.defined()) throw std::logic_error("save called before reset");
  state.put("stride", stride_);
  state.put("states", states_.clone());
  state.put("reward", now_.reward);
  state.put("discount", now_.discount);
  state.put("last", now_.last);
  state.put("episode", now_.episode);
  state.put("step", now_.step);
}

TimeStep ParallelEnvironment::load(const rl::State& state) {
  const Tensor states = state.tensor("states");
  expect_shape(states, {rl::kAny, state_size_}, "states");
  const int64_t batch = states.size(0);
  const auto column = [&](const char* name) {
    const Tensor values = state.tensor(name);
    expect_shape(values, {batch}, name);
    return values;
  };
  TimeStep now = blank(batch);
  now.reward = column("reward");
  now.discount = column("discount");
  now.last = column("last");
  now.episode = column("episode");
  now.step = column("step");
  stride_ = state.integer("stride");
  states_ = states.clone();
  const Rows rows(now);
  for_each_row(workers_, batch, [&](int64_t row) { show(rows, row); });
  return now_ = now;
}

// Tensors to write a time step to. A prior that is the same everywhere is made once.
TimeStep ParallelEnvironment::blank(int64_t batch) const {
  std::vector<int64_t> shape = spec_.observation.shape;
  shape.insert(shape.begin(), batch);
  rl::ActionSet actions = now_.actions;
  const int64_t slots = spec_.max_actions;
  if (!every_action_) {
    actions = {.ids = torch::empty({batch, slots}, torch::kInt64),
               .prior_log_probs = torch::empty({batch, slots}),
               .tail_log_prob = torch::full({batch}, kNothing),
               .prior_features = {},
               .prior_readout = nullptr};
  } else if (!now_.episode.defined() || now_.size() != batch) {
    actions.prior_log_probs =
        torch::full({batch, slots}, -std::log(static_cast<double>(slots)), torch::kFloat32);
  }
  return {.observation = torch::empty(shape, torch::kFloat32),
          .length = {},
          .actions = actions,
          .reward = torch::empty({batch}),
          .discount = torch::empty({batch}),
          .last = torch::empty({batch}, torch::kBool),
          .episode = torch::empty({batch}, torch::kInt64),
          .step = torch::empty({batch}, torch::kInt64)};
}

std::span<double> ParallelEnvironment::state_of(int64_t row) const {
  return {states_.data_ptr<double>() + row * state_size_, static_cast<size_t>(state_size_)};
}

void ParallelEnvironment::check(const int64_t* actions) const {
  const Rows rows(now_);
  for (int64_t row = 0; row < now_.size(); ++row) {
    if (rows.last[row] || is_open(row, actions[row])) continue;
    throw std::invalid_argument("row " + std::to_string(row) + ", episode " +
                                std::to_string(rows.episode[row]) + ": action " +
                                std::to_string(actions[row]) + " is not on offer");
  }
}

bool ParallelEnvironment::is_open(int64_t row, int64_t action) const {
  if (every_action_) return action >= 0 && action < spec_.action_count;
  const std::span<const int64_t> open = open_actions(state_of(row));
  return std::find(open.begin(), open.end(), action) != open.end();
}

void ParallelEnvironment::take(const Rows& from, const Rows& to, int64_t row,
                               int64_t action) const {
  const int64_t episode = from.episode[row], step = from.step[row];
  const Outcome outcome =
      advance(state_of(row), action, {static_cast<uint64_t>(episode), static_cast<uint64_t>(step)});
  to.episode[row] = episode;
  to.step[row] = step + 1;
  to.reward[row] = static_cast<float>(outcome.reward);
  to.discount[row] = outcome.ended ? 0.F : 1.F;
  to.last[row] = outcome.ended || step + 1 >= spec_.max_episode_steps;
}

void ParallelEnvironment::start(const Rows& to, int64_t row, int64_t episode) const {
  begin(static_cast<uint64_t>(episode), state_of(row));
  to.episode[row] = episode;
  to.step[row] = 0;
  to.reward[row] = 0;
  to.discount[row] = 1;
  to.last[row] = false;
}

void ParallelEnvironment::rest(const Rows& from, const Rows& to, int64_t row) const {
  to.episode[row] = from.episode[row];
  to.step[row] = from.step[row];
  to.reward[row] = 0;
  to.discount[row] = from.discount[row];
  to.last[row] = true;
}

void ParallelEnvironment::show(const Rows& to, int64_t row) const {
  const std::span<const double> state = state_of(row);
  observe(state, {to.seen + row * seen_size_, static_cast<size_t>(seen_size_)});
  if (every_action_) return;
  const std::span<const int64_t> open = open_actions(state);
  const int64_t slots = spec_.max_actions;
  std::fill_n(to.action_ids + row * slots, slots, -1);
  std::fill_n(to.prior + row * slots, slots, kNothing);
  std::copy(open.begin(), open.end(), to.action_ids + row * slots);
  std::fill_n(to.prior + row * slots, open.size(), -std::log(static_cast<float>(open.size())));
}

}  // namespace envs
