#include "rl/check.h"

#include "rl/torch.h"

namespace rl {
namespace {

std::string describe(c10::IntArrayRef sizes) {
  std::string text = "[";
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (i > 0) text += ", ";
    text += sizes[i] == kAny ? "*" : std::to_string(sizes[i]);
  }
  return text + "]";
}

bool fits(c10::IntArrayRef found, c10::IntArrayRef expected) {
  if (found.size() != expected.size()) return false;
  for (size_t i = 0; i < found.size(); ++i) {
    if (expected[i] != kAny && expected[i] != found[i]) return false;
  }
  return true;
}

}  // namespace

void expect_shape(const Tensor& tensor, const std::vector<int64_t>& expected,
                  std::string_view name) {
  if (tensor.defined() && fits(tensor.sizes(), expected)) return;
  throw ShapeError(std::string(name) + ": expected shape " + describe(expected) + ", found " +
                   (tensor.defined() ? describe(tensor.sizes()) : "no tensor"));
}

void require(bool condition, const std::string& message) {
  if (!condition) throw std::invalid_argument(message);
}

}  // namespace rl
