#include "rl/adam_w.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "rl/torch.h"

namespace rl {
namespace {

// Numbers updated at a time: the dozen passes of an update then stay in cache.
constexpr int64_t kSlice = int64_t{1} << 16;

struct Slice {
  Tensor parameter, gradient, first, second;
};

}  // namespace

AdamW::AdamW(std::vector<Tensor> parameters, AdamWOptions options)
    : parameters_(std::move(parameters)), options_(options) {
  for (const Tensor& parameter : parameters_) {
    first_moments.push_back(torch::zeros_like(parameter, torch::kFloat32).detach());
    second_moments.push_back(torch::zeros_like(parameter, torch::kFloat32).detach());
  }
}

void AdamW::step(const std::vector<Tensor>& gradients, const Tensor& scale, double learning_rate,
                 const Threads& threads) {
  torch::NoGradGuard no_grad;
  ++steps;
  const double correction1 = 1 - std::pow(options_.beta1, steps);
  const double correction2 = 1 - std::pow(options_.beta2, steps);
  std::vector<Slice> slices;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor flat = parameters_[i].detach().view({-1});
    const Tensor gradient =
        gradients[i].defined() ? gradients[i].contiguous().view({-1}) : torch::zeros_like(flat);
    for (int64_t begin = 0; begin < flat.size(0); begin += kSlice) {
      const int64_t count = std::min(kSlice, flat.size(0) - begin);
      slices.push_back({flat.narrow(0, begin, count), gradient.narrow(0, begin, count),
                        first_moments[i].view({-1}).narrow(0, begin, count),
                        second_moments[i].view({-1}).narrow(0, begin, count)});
    }
  }
  run_parallel(threads, static_cast<int64_t>(slices.size()), [&](int64_t i) {
    torch::NoGradGuard inner;
    const Slice& s = slices[static_cast<size_t>(i)];
    const Tensor gradient = s.gradient * scale;
    s.first.lerp_(gradient, 1 - options_.beta1);
    s.second.mul_(options_.beta2).addcmul_(gradient, gradient, 1 - options_.beta2);
    const Tensor denominator = (s.second / correction2).sqrt_().add_(options_.epsilon);
    if (options_.weight_decay != 0) s.parameter.mul_(1 - learning_rate * options_.weight_decay);
    s.parameter.addcdiv_(s.first, denominator, -learning_rate / correction1);
  });
  // Written through views from other threads: whoever caches a rounded copy must notice.
  for (Tensor& parameter : parameters_) parameter.unsafeGetTensorImpl()->bump_version();
}

}  // namespace rl
