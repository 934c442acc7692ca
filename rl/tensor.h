#pragma once

/// The one light LibTorch include of our headers. Sources include <torch/torch.h>, precompiled.

#include <ATen/core/Tensor.h>

namespace rl {

/// A handle to a LibTorch tensor. Copying is cheap and shares the data; an undefined tensor means
/// "absent" where a comment says so.
using Tensor = at::Tensor;

}  // namespace rl
