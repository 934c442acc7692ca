#pragma once

#include <cstdint>
#include <vector>

#include "rl/source.h"

namespace envs {

/// A text as ids, and its label.
struct LabelledIds {
  std::vector<int64_t> ids;
  int64_t label = 0;
};

/// Labelled texts as experience: a state is a whole text, the action its label, and every episode a group of
/// texts, one step each, so that they can be compared. Texts come in random order, each once in an epoch.
///
/// Observations are int64[B, T, L], padded on the right with -1; the note "item" says which text it is.
class LabelSource : public rl::Source {
 public:
  /// @param group texts of an episode, T.
  /// @throws std::invalid_argument for no texts, an empty one, or a group below 1.
  LabelSource(std::vector<LabelledIds> texts, int64_t group, uint64_t seed);
  rl::Trajectory collect(const rl::Tensor& episodes, double progress) override;

 private:
  int64_t item_at(int64_t position);

  std::vector<LabelledIds> texts_;
  int64_t group_;
  uint64_t key_;
  int64_t epoch_ = -1;
  std::vector<int64_t> order_;  // of the epoch
};

/// The given texts, one row of one step each, in order.
rl::Trajectory rows_of(const std::vector<LabelledIds>& texts);

}  // namespace envs
