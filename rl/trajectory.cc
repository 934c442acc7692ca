#include "rl/trajectory.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>

#include "rl/check.h"
#include "rl/ops/returns.h"
#include "rl/torch.h"

namespace rl {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

// What stands in columns that hold no state.
double filler(const std::string& name) {
  if (name == "actions.ids") return -1;
  if (name == "actions.prior_log_probs" || name == "actions.tail_log_prob") return kNothing;
  return 0;
}

bool has_columns(const std::string& name) {
  return name != "start" && name != "episode" && name != "own" && name != "second" &&
         name != "importance" && name != "memory_row";
}

Tensor cut_columns(const std::string& name, const Tensor& x, bool prefix, int64_t columns,
                   int64_t ids) {
  if (!has_columns(name)) return x;
  return x.narrow(1, 0, name == "observation" && prefix ? ids : columns);
}

void require_finite_rewards(const Trajectory& t) {
  const Tensor wrong = t.reward.isfinite().logical_not().logical_and(t.mask);
  if (!wrong.any().item<bool>()) return;
  const Tensor place = wrong.nonzero()[0].cpu();
  const int64_t row = place[0].item<int64_t>(), step = place[1].item<int64_t>();
  throw std::invalid_argument("the reward of step " + std::to_string(step) + " of episode " +
                              std::to_string(t.episode[row].item<int64_t>()) + " is " +
                              std::to_string(t.reward[row][step].item<double>()));
}

}  // namespace

Tensor Trajectory::step_counts() const { return mask.sum(1); }

Trajectory Trajectory::select(const Tensor& rows) const {
  std::map<std::string, Tensor> all = tensors();
  for (auto& [name, tensor] : all) tensor = tensor.index_select(0, rows);
  const Tensor used = all["state_mask"].any(0).nonzero();
  const int64_t columns = used.size(0) == 0 ? 1 : used.max().item<int64_t>() + 1;
  int64_t ids = 0;
  if (start.defined()) {
    // One id beyond the last state: what the last action appended.
    const Tensor column = torch::arange(1, length() + 1, action.options());
    const Tensor last = (all["state_mask"] * column).amax(1);
    ids = std::min((all["start"] + last + 1).max().item<int64_t>(), observation.size(1));
  }
  for (auto& [name, tensor] : all) {
    tensor = cut_columns(name, tensor, start.defined(), columns, ids);
  }
  return from_tensors(all, actions.prior_readout);
}

Trajectory Trajectory::to(const torch::Device& device) const {
  Trajectory result = *this;
  const auto move = [&](Tensor& x) {
    if (x.defined()) x = x.to(device);
  };
  if (!start.defined()) move(result.observation);
  for (Tensor* x : {&result.action, &result.behavior_log_prob, &result.reward, &result.discount,
                    &result.mask, &result.state_mask, &result.episode, &result.own, &result.second,
                    &result.importance, &result.memory_row}) {
    move(*x);
  }
  result.actions = actions.map([&](const Tensor& x) { return x.to(device); });
  for (auto& [name, note] : result.notes) move(note);
  return result;
}

Trajectory Trajectory::with(ActionSet set) const {
  Trajectory result = *this;
  result.actions = std::move(set);
  return result;
}

Trajectory Trajectory::with_note(const std::string& name, const Tensor& value) const {
  Trajectory result = *this;
  result.notes[name] = value;
  return result;
}

void Trajectory::validate() const {
  const int64_t b = size(), t = length();
  expect_shape(behavior_log_prob, {b, t}, "behavior_log_prob");
  expect_shape(reward, {b, t}, "reward");
  expect_shape(discount, {b, t}, "discount");
  expect_shape(mask, {b, t}, "mask");
  expect_shape(state_mask, {b, t}, "state_mask");
  expect_shape(episode, {b}, "episode");
  expect_shape(own, {b}, "own");
  if (second.defined()) expect_shape(second, {b}, "second");
  if (importance.defined()) expect_shape(importance, {b}, "importance");
  if (memory_row.defined()) expect_shape(memory_row, {b}, "memory_row");
  if (start.defined()) {
    expect_shape(start, {b}, "start");
    const bool pairs = observation.dim() == 3;  // see rl/pairs.h
    expect_shape(observation, pairs ? std::vector<int64_t>{b, kAny, 2} : std::vector{b, kAny},
                 "observation");
  }
  if (actions.ids.defined()) expect_shape(actions.ids, {b, t, kAny}, "actions.ids");
  for (const auto& [name, note] : notes) expect_shape(note, {b, t}, name);
  require_finite_rewards(*this);
}

std::map<std::string, Tensor> Trajectory::tensors() const {
  std::map<std::string, Tensor> all = {
      {"observation", observation},
      {"start", start},
      {"action", action},
      {"behavior_log_prob", behavior_log_prob},
      {"reward", reward},
      {"discount", discount},
      {"mask", mask},
      {"state_mask", state_mask},
      {"episode", episode},
      {"own", own},
      {"second", second},
      {"importance", importance},
      {"memory_row", memory_row},
      {"actions.ids", actions.ids},
      {"actions.prior_log_probs", actions.prior_log_probs},
      {"actions.tail_log_prob", actions.tail_log_prob},
      {"actions.prior_features", actions.prior_features},
  };
  for (const auto& [name, note] : notes) all["notes." + name] = note;
  std::erase_if(all, [](const auto& entry) { return !entry.second.defined(); });
  return all;
}

Trajectory Trajectory::from_tensors(const std::map<std::string, Tensor>& tensors,
                                    std::shared_ptr<const Readout> prior_readout) {
  const auto get = [&](const std::string& name) {
    const auto found = tensors.find(name);
    return found == tensors.end() ? Tensor() : found->second;
  };
  Trajectory result{
      .observation = get("observation"),
      .start = get("start"),
      .action = get("action"),
      .actions = {get("actions.ids"), get("actions.prior_log_probs"), get("actions.tail_log_prob"),
                  get("actions.prior_features"), std::move(prior_readout)},
      .behavior_log_prob = get("behavior_log_prob"),
      .reward = get("reward"),
      .discount = get("discount"),
      .mask = get("mask"),
      .state_mask = get("state_mask"),
      .episode = get("episode"),
      .own = get("own"),
      .second = get("second"),
      .importance = get("importance"),
      .memory_row = get("memory_row"),
      .notes = {}};
  constexpr std::string_view kPrefix = "notes.";
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(kPrefix)) result.notes[name.substr(kPrefix.size())] = tensor;
  }
  return result;
}

Trajectory concatenate(const std::vector<Trajectory>& parts) {
  require(!parts.empty(), "concatenate needs at least one trajectory");
  if (parts.size() == 1) return parts.front();
  std::map<std::string, std::vector<Tensor>> columns;
  for (const Trajectory& part : parts) {
    for (const auto& [name, tensor] : part.tensors()) columns[name].push_back(tensor);
  }
  std::map<std::string, Tensor> joined;
  for (auto& [name, tensors] : columns) {
    require(tensors.size() == parts.size(),
            "concatenate: only some of the trajectories have " + name);
    std::vector<int64_t> widest = tensors.front().sizes().vec();
    for (const Tensor& x : tensors) {
      for (size_t d = 1; d < widest.size(); ++d) {
        widest[d] = std::max(widest[d], x.size(static_cast<int64_t>(d)));
      }
    }
    for (Tensor& x : tensors) x = padded(name, x, widest);
    joined[name] = torch::cat(tensors, 0);
  }
  return Trajectory::from_tensors(joined, parts.front().actions.prior_readout);
}

Tensor padded(const std::string& name, const Tensor& x, const std::vector<int64_t>& shape) {
  Tensor result = x;
  for (int64_t d = 1; d < x.dim(); ++d) {
    std::vector<int64_t> missing = result.sizes().vec();
    missing[static_cast<size_t>(d)] = shape[static_cast<size_t>(d)] - x.size(d);
    if (missing[static_cast<size_t>(d)] <= 0) continue;
    result = torch::cat({result, torch::full(missing, filler(name), x.options())}, d);
  }
  return result;
}

Trajectory transitions(const Trajectory& rows, int64_t n, double gamma) {
  require(!rows.start.defined(), "transitions of prefixes cannot be cut out: keep whole episodes");
  require(gamma > 0 && gamma <= 1, "gamma must be in (0, 1], found " + std::to_string(gamma));
  const Tensor discount = rows.discount * gamma, none = torch::zeros_like(rows.reward);
  const Tensor last = ops::next_column(rows.mask).logical_not();
  const ops::NStepReturns paid =
      ops::n_step_returns(rows.reward * rows.mask, discount, last, none, n);
  // A reward of nothing and values of 1 leave the product of the discounts.
  const Tensor product =
      ops::n_step_returns(none, discount, last, torch::ones_like(none), n).target / gamma;

  const Tensor taken = rows.mask.flatten().nonzero().squeeze(1);  // int64[N] into [B, T]
  const Tensor reached = paid.last_index.flatten().index_select(0, taken) + 1;
  const Tensor row = torch::div(taken, rows.length(), "floor");
  const Tensor there = row * rows.length() + reached.clamp_max(rows.length() - 1);
  const auto first = [&](const Tensor& x) { return x.flatten(0, 1).index_select(0, taken); };
  // A column of one step that has no second.
  const auto alone = [&](const Tensor& x) {
    return torch::stack({first(x), torch::zeros_like(first(x))}, 1);
  };
  std::map<std::string, Tensor> all = rows.tensors();
  for (auto& [name, tensor] : all) {
    tensor = has_columns(name)
                 ? torch::stack({first(tensor), tensor.flatten(0, 1).index_select(0, there)}, 1)
                 : tensor.index_select(0, row);
  }
  all["reward"] = alone(paid.target);
  all["discount"] = alone(product);
  all["action"] = alone(rows.action);
  all["behavior_log_prob"] = alone(rows.behavior_log_prob);
  all["mask"] = alone(rows.mask);
  const Tensor follows = first(product) != 0;
  all["state_mask"] = torch::stack({first(rows.state_mask), follows}, 1);
  return Trajectory::from_tensors(all, rows.actions.prior_readout);
}

}  // namespace rl
