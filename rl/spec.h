#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "rl/tensor.h"

namespace rl {

/// What one tensor of an environment looks like.
struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;  // without the batch dimension; -1 where it varies
  c10::ScalarType dtype = c10::ScalarType::Float;
  double minimum = -std::numeric_limits<double>::infinity();
  double maximum = std::numeric_limits<double>::infinity();
};

/// The constant facts of an environment. Algorithms check them up front instead of discovering them.
struct EnvironmentSpec {
  TensorSpec observation;
  bool observation_is_prefix = false;  // observation grows by the action taken (text)
  bool restarts = false;               // rows that are over begin a new episode at the next step
  int64_t action_count = 0;            // actions in all; ids are 0 .. action_count - 1
  int64_t max_actions = 0;             // slots K of the action sets it offers
  int64_t max_episode_steps = 0;       // an episode is truncated after so many steps
  /// bool[states, action_count], where observations are one-hot: actions that a state does not offer.
  /// Undefined: every state offers every action, or the action sets alone say which.
  Tensor closed_actions = {};
};

}  // namespace rl
