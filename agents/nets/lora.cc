#include "agents/nets/lora.h"

#include <cmath>

#include "rl/check.h"
#include "rl/ops/linear.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

Lora::Lora(const DecoderConfig& config, const LoraOptions& options, c10::Device device)
    : scale_(options.scale), key_width_(config.key_value_heads * config.head_width) {
  rl::require(options.rank >= 1,
              "modules need a rank of at least 1, found " + std::to_string(options.rank));
  rl::require(options.scale > 0,
              "modules need a scale above 0, found " + std::to_string(options.scale));
  at::Generator generator = at::detail::createCPUGenerator(options.seed);
  // As large as the products of a projection that keeps the size of what it reads.
  const double deviation = 1 / std::sqrt(static_cast<double>(config.width));
  const auto make = [&](int64_t out) {
    const Tensor down = at::empty({options.rank, config.width}, at::kFloat);
    down.normal_(0, deviation, generator);
    const Tensor up = at::zeros({out, options.rank}, at::kFloat);
    return Module{down.to(device).set_requires_grad(true), up.to(device).set_requires_grad(true)};
  };
  for (int64_t i = 0; i < config.layers; ++i) {
    const Module query = make(config.heads * config.head_width);
    layers_.push_back({query, make(key_width_)});
  }
}

Tensor Lora::add(const Module& module, const Tensor& x) const {
  return scale_ * rl::ops::linear(rl::ops::linear(x, module.down), module.up);
}

Tensor Lora::added(size_t layer, const Tensor& x, const Tensor& projected) const {
  const Layer& modules = layers_[layer];
  if (!modules.used) return projected;
  std::vector<int64_t> keys = projected.sizes().vec();
  keys.back() = key_width_;
  return projected + at::cat({add(modules.query, x), at::zeros(keys, projected.options()),
                              add(modules.value, x)},
                             -1);
}

void Lora::choose(const std::vector<int64_t>& layers) {
  for (Layer& layer : layers_) layer.used = false;
  for (const int64_t layer : layers) layers_.at(static_cast<size_t>(layer)).used = true;
}

std::vector<std::pair<std::string, Tensor>> Lora::parameters() const {
  std::vector<std::pair<std::string, Tensor>> result;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const std::string layer = "layers." + std::to_string(i);
    result.emplace_back(layer + ".query.down", layers_[i].query.down);
    result.emplace_back(layer + ".query.up", layers_[i].query.up);
    result.emplace_back(layer + ".value.down", layers_[i].value.down);
    result.emplace_back(layer + ".value.up", layers_[i].value.up);
  }
  return result;
}

std::shared_ptr<Lora> Lora::copy() const {
  auto result = std::make_shared<Lora>(*this);
  const auto own = [](Tensor& x) { x = x.detach().clone().set_requires_grad(true); };
  for (Layer& layer : result->layers_) {
    for (Tensor* x : {&layer.query.down, &layer.query.up, &layer.value.down, &layer.value.up}) {
      own(*x);
    }
  }
  return result;
}

}  // namespace agents
