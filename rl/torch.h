#pragma once

/// LibTorch for our sources: tensors, functions and gradients, precompiled for every target.
/// <torch/torch.h> would cost three times as much per file; what it holds besides (modules, their
/// functional forms) is included where it is used. Headers include "rl/tensor.h".

#include <torch/autograd.h>
#include <torch/types.h>
#include <torch/utils.h>
