#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "rl/tensor.h"

namespace rl {

/// A tensor does not have the shape that its place asks for.
class ShapeError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

/// In `expect_shape`: any size will do.
inline constexpr int64_t kAny = -1;

/// Checks the shape of a tensor; the call is also documentation.
///
/// @param expected sizes, `kAny` where any size will do.
/// @throws ShapeError "name: expected shape [32, *, 50], found [32, 128, 49]".
void expect_shape(const Tensor& tensor, const std::vector<int64_t>& expected,
                  std::string_view name);

/// Throws std::invalid_argument(message) unless `condition` holds.
void require(bool condition, const std::string& message);

}  // namespace rl
