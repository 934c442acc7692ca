#pragma once

#include <memory>
#include <vector>

#include "rl/learner.h"
#include "rl/replay_buffer.h"
#include "rl/source.h"

namespace rl {

/// Somebody who gathers experience, remembers it and learns from it. Learners that share an agent see
/// the same batches and step together, each from where both stood before.
struct Agent {
  std::unique_ptr<Source> source;
  ReplayBuffer memory;
  std::vector<std::unique_ptr<Learner>> learners;
};

}  // namespace rl
