#pragma once

#include "rl/losses/policy_gradient.h"

namespace rl {

/// PPO is the policy gradient with its defaults.
using Ppo = PolicyGradient;
using PpoOptions = PolicyGradientOptions;

}  // namespace rl
