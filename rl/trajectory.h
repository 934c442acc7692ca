#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "rl/action_set.h"
#include "rl/tensor.h"

namespace rl {

/// B episodes, or pieces of episodes, of up to T states each.
///
/// Column t of a row is the t-th state; `mask` says where an action was taken there that is to be
/// learned. A piece that was cut (truncated, or a segment of a longer episode) has one more state
/// after its last action: `state_mask` is true there, `mask` is not, and the last action's
/// `discount` is 1. After an episode's end there is no such state and `discount` is 0.
///
/// Built once, never modified: `with` gives a changed copy.
struct Trajectory {
  /// [B, T, ...], or, for prefixes (text), int64[B, L] right-padded.
  Tensor observation;
  /// int64[B], for prefixes: the position of `observation` whose prediction is column 0 (P - 1 for a
  /// prompt of P ids); column t is predicted at start + t. Undefined otherwise.
  Tensor start;
  Tensor action;             // int64[B, T]
  ActionSet actions;         // [B, T, K]
  Tensor behavior_log_prob;  // float32[B, T] of the action, under the policy that acted
  Tensor reward;             // float32[B, T] earned by the action
  /// float32[B, T] 0 where the action ended the episode for good, else 1 (in a row that stands for n
  /// steps, gamma^(n - 1): see `transitions`).
  Tensor discount;
  Tensor mask;        // bool[B, T] an action was taken and is to be learned
  Tensor state_mask;  // bool[B, T] the state exists
  Tensor episode;     // int64[B] which episode
  /// bool[B] Drawn from the learning policy as it was, not from one at another temperature: what is recorded
  /// of it while acting is what learning must find.
  Tensor own;
  /// bool[B] the row came from the second source of a mixture; undefined: there is no mixture.
  Tensor second = {};
  /// What a memory that draws some rows more often than others adds; undefined: nothing. float32[B],
  /// the weight of the row in a loss, and int64[B], its number in the memory.
  Tensor importance = {}, memory_row = {};
  /// What losses note down between collecting and learning: [B, T] each.
  std::map<std::string, Tensor> notes;

  int64_t size() const { return action.size(0); }
  int64_t length() const { return action.size(1); }
  /// Trained steps of each row, int64[B].
  Tensor step_counts() const;
  /// The given rows, cut to the columns (and, for prefixes, ids) they need.
  Trajectory select(const Tensor& rows) const;
  /// Everything on one device, where a model has been asked. Sources and memories keep trajectories on the
  /// host, and so stay prefixes (`observation`, `start`), which models of text read from there.
  Trajectory to(const torch::Device& device) const;
  Trajectory with(ActionSet actions) const;
  Trajectory with_note(const std::string& name, const Tensor& value) const;

  /// Checks that all shapes agree and that every reward of a step to be learned is a finite number.
  ///
  /// @throws ShapeError
  /// @throws std::invalid_argument naming the episode and the step of a reward.
  void validate() const;
  /// All tensors by name, and back: how trajectories are saved.
  std::map<std::string, Tensor> tensors() const;
  static Trajectory from_tensors(const std::map<std::string, Tensor>& tensors,
                                 std::shared_ptr<const Readout> prior_readout);
};

/// The rows of all parts in order, padded to the longest. Action sets must be of one kind.
Trajectory concatenate(const std::vector<Trajectory>& parts);

/// A row for every step to be learned, of two columns: the state, and the state that the next `n` steps,
/// or the fewer until the episode or the row is over, lead to. Its reward is their discounted sum and
/// its discount gamma^(m - 1) of m steps. Reward terms are worked out for the first step alone.
///
/// @param gamma in (0, 1].
/// @throws std::invalid_argument for n or gamma out of range, or for prefixes, where states are not
///         columns.
Trajectory transitions(const Trajectory& rows, int64_t n, double gamma);

/// Grows a tensor of `Trajectory::tensors` to `shape`, with what stands in columns without a state.
Tensor padded(const std::string& name, const Tensor& x, const std::vector<int64_t>& shape);

}  // namespace rl
