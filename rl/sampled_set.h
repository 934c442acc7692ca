#pragma once

#include <cstdint>

#include "rl/action_set.h"
#include "rl/tensor.h"

namespace rl {

/// The set of actions that were drawn in each state, with the share of the draws as their prior: an estimate
/// without bias, whose expectation is the distribution drawn from. Nothing is outside.
///
/// @param ids int64[..., K], distinct; -1 pads.
/// @param counts int64[..., K], how often each was drawn; 0 pads.
ActionSet counted_set(const Tensor& ids, const Tensor& counts);

/// Draws actions with replacement and counts them; the most frequent come first.
///
/// Source: Anshumann et al. 2025, "Sparse Logit Sampling", arXiv:2503.16870.
///
/// @param log_probs float[..., V], normalised.
/// @param uniform float64[..., N] in [0, 1), one per draw.
/// @return N slots, of which the last may be empty.
ActionSet sampled_set(const Tensor& log_probs, const Tensor& uniform);

}  // namespace rl
