#pragma once

#include <cstdint>

#include "rl/action_set.h"
#include "rl/policy.h"
#include "rl/tensor.h"

namespace envs {

/// What a teacher is asked: which tokens it finds likely, and how likely.
///
/// `judge` (see rl::Prior) answers for whole trajectories in one pass. `begin` and `advance` follow
/// episodes token by token, for worlds and actors that need the answer before the next action.
class TeacherOracle : public rl::Prior {
 public:
  virtual int64_t vocabulary_size() const = 0;

  /// Starts to follow B prefixes.
  ///
  /// @param ids int64[B, L], right-padded. @param length int64[B].
  /// @return [B, K] the tokens on offer after each prefix.
  virtual rl::ActionSet begin(const rl::Tensor& ids, const rl::Tensor& length) = 0;

  /// Appends one id to each prefix: int64[B]. @return [B, K].
  virtual rl::ActionSet advance(const rl::Tensor& ids) = 0;

  /// Goes on with some of the rows only.
  virtual void keep(const rl::Tensor& rows) = 0;
};

}  // namespace envs
