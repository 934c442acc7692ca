#pragma once

#include "rl/opinion.h"
#include "rl/ops/divergence.h"

namespace rl {

/// Prior and policy on a state's actions as a convention compares them, ready for a divergence.
///
/// @param temperature the policy's logits are divided by it.
ops::Comparison compared(const Opinion& opinion, ops::Tail tail, double temperature = 1);

}  // namespace rl
