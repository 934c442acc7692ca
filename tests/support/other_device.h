#pragma once

#include <optional>

#include "rl/tensor.h"

namespace testing_support {

/// A device that is not the host: the first GPU, or, with LibTorch 1, one of this process's own that is as
/// strict as a GPU. It computes what the host computes, but the host cannot read its memory (whoever tries
/// crashes), and an operator that finds tensors of two devices fails, but for those that a GPU takes from
/// the host as well (numbers, indices). Nothing where there is neither.
std::optional<torch::Device> other_device();

}  // namespace testing_support
