#include "rl/trajectory.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "rl/check.h"
#include "rl/torch.h"

namespace rl {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

// Grows `x` to `size` entries along `dim`, filling with `value`.
Tensor pad_to(const Tensor& x, int64_t dim, int64_t size, double value) {
  const int64_t missing = size - x.size(dim);
  if (missing <= 0) return x;
  std::vector<int64_t> shape = x.sizes().vec();
  shape[static_cast<size_t>(dim)] = missing;
  return torch::cat({x, torch::full(shape, value, x.options())}, dim);
}

// What stands in columns that hold no state.
double filler(const std::string& name) {
  if (name == "actions.ids") return -1;
  if (name == "actions.prior_log_probs" || name == "actions.tail_log_prob") return kNothing;
  return 0;
}

bool has_columns(const std::string& name) {
  return name != "start" && name != "episode" && name != "own";
}

Tensor cut_columns(const std::string& name, const Tensor& x, bool prefix, int64_t columns,
                   int64_t ids) {
  if (!has_columns(name)) return x;
  return x.narrow(1, 0, name == "observation" && prefix ? ids : columns);
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
  if (start.defined()) {
    expect_shape(start, {b}, "start");
    expect_shape(observation, {b, kAny}, "observation");
  }
  if (actions.ids.defined()) expect_shape(actions.ids, {b, t, kAny}, "actions.ids");
  for (const auto& [name, note] : notes) expect_shape(note, {b, t}, name);
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
    for (int64_t dim = 1; has_columns(name) && dim < tensors.front().dim(); ++dim) {
      int64_t widest = 0;
      for (const Tensor& x : tensors) widest = std::max(widest, x.size(dim));
      for (Tensor& x : tensors) x = pad_to(x, dim, widest, filler(name));
    }
    joined[name] = torch::cat(tensors, 0);
  }
  return Trajectory::from_tensors(joined, parts.front().actions.prior_readout);
}

Tensor next_column(const Tensor& x) {
  return torch::cat({x.slice(1, 1), torch::zeros_like(x.slice(1, 0, 1))}, 1);
}

}  // namespace rl
