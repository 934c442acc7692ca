#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rl/learner.h"
#include "rl/replay_buffer.h"
#include "rl/source.h"

namespace rl {

/// Somebody who gathers experience, remembers it and learns from it. Learners that share an agent see
/// the same batches and step together, each from where both stood before, or take turns.
struct Agent {
  std::unique_ptr<Source> source;
  ReplayBuffer memory;
  std::vector<std::unique_ptr<Learner>> learners;
  int64_t alternate_every = 0;  // updates that one learner makes before it is the next one's turn;
                                // 0: all learn at every update
};

}  // namespace rl
