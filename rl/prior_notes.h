#pragma once

#include <cstdint>
#include <string>

#include "rl/tensor.h"
#include "rl/trajectory.h"

namespace rl {

/// Where it is noted what one of several priors, counted from 0, made of each state:
///
/// | note | what |
/// | --- | --- |
/// | log_prob | log-probability of the action taken, nats |
/// | label_nats | minus that, in units of the entropy of the uniform distribution over all actions |
/// | max_prob | probability of the likeliest action |
/// | entropy | entropy over all actions, in the same unit |
/// | prompt_nats | mean of -log p over what the episode began with, in the same unit |
/// | weight | its share of the mixture |
std::string prior_note(int64_t prior, const std::string& what);

/// The notes of all priors side by side: float32[B, T, M].
///
/// @throws std::invalid_argument where there are none.
Tensor prior_notes(const Trajectory& trajectory, const std::string& what,
                   const std::string& prefix = "");

}  // namespace rl
