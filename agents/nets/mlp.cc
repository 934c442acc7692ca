#include "agents/nets/mlp.h"

#include <torch/nn/init.h>

#include <cmath>
#include <string>
#include <utility>

#include "rl/check.h"
#include "rl/ops/linear.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

MlpPolicy::MlpPolicy(MlpOptions options) : options_(std::move(options)) {
  rl::require(options_.inputs >= 1 && options_.actions >= 1 && !options_.hidden.empty(),
              "a perceptron needs inputs, actions and a hidden layer");
  if (!options_.input_scale.empty()) {
    rl::require(static_cast<int64_t>(options_.input_scale.size()) == options_.inputs,
                "input_scale: expected " + std::to_string(options_.inputs) + " numbers, found " +
                    std::to_string(options_.input_scale.size()));
    input_scale_ = torch::tensor(options_.input_scale, torch::kFloat32);
  }
  if (options_.closed_actions.defined()) {
    rl::expect_shape(options_.closed_actions, {options_.inputs, options_.actions},
                     "closed_actions");
    closed_logits_ = (options_.closed_actions.to(torch::kFloat32) * kClosedLogit).t().contiguous();
  }
  // Gains as usual for policy gradients: hidden layers sqrt(2), an even policy, an even value.
  torch::manual_seed(options_.seed);
  int64_t in = options_.inputs;
  for (size_t i = 0; i < options_.hidden.size(); ++i) {
    const int64_t out = options_.hidden[i];
    // Side by side, the last hidden layers of V and A.
    const int64_t streams = options_.dueling && i + 1 == options_.hidden.size() ? 2 : 1;
    policy_layers_.push_back(make_layer(streams * out, in, std::sqrt(2.0)));
    if (options_.value_head) value_layers_.push_back(make_layer(out, in, std::sqrt(2.0)));
    in = out;
  }
  policy_head_ = make_layer(options_.actions, in, 0.01);
  if (options_.value_head) value_head_ = make_layer(1, in, 1.0);
  if (options_.dueling) dueling_head_ = make_layer(1, in, 0.01);
}

MlpPolicy::Layer MlpPolicy::make_layer(int64_t out, int64_t in, double gain) const {
  Tensor weight = torch::empty({out, in}), bias = torch::zeros({out});
  if (options_.activation == MlpOptions::Activation::relu) {
    // Kinks off the origin, or inputs of small range would hardly be told apart.
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    weight.uniform_(-bound, bound);
    bias.uniform_(-bound, bound);
  } else {
    torch::nn::init::orthogonal_(weight, gain);
  }
  return {weight.requires_grad_(), bias.requires_grad_()};
}

Tensor MlpPolicy::features(const std::vector<Layer>& layers, const Tensor& observation) const {
  Tensor x = input_scale_.defined() ? observation * input_scale_ : observation;
  for (const Layer& layer : layers) {
    x = rl::ops::linear(x, layer.weight, layer.bias);
    x = options_.activation == MlpOptions::Activation::relu ? x.relu() : x.tanh();
  }
  return x;
}

// A dueling head is linear in its two streams, so it is read out as any other.
MlpPolicy::Layer MlpPolicy::read_out() const {
  Layer head = policy_head_;
  if (options_.dueling) {
    const auto& [weight, bias] = policy_head_;
    const Tensor value = dueling_head_.weight.expand_as(weight);
    head = {torch::cat({value, weight - weight.mean(0, /*keepdim=*/true)}, 1),
            dueling_head_.bias + bias - bias.mean()};
  }
  if (closed_logits_.defined()) head.weight = torch::cat({head.weight, closed_logits_}, 1);
  return head;
}

// The one-hot observation itself picks the column that closes the actions its state does not offer.
Tensor MlpPolicy::policy_features(const Tensor& observation) const {
  const Tensor hidden = features(policy_layers_, observation);
  return closed_logits_.defined() ? torch::cat({hidden, observation}, -1) : hidden;
}

Tensor MlpPolicy::logits(const Tensor& observation) const {
  const Layer head = read_out();
  return rl::ops::linear(policy_features(observation), head.weight, head.bias);
}

rl::PolicyOutput MlpPolicy::evaluate(const rl::Trajectory& trajectory) const {
  const Layer head = read_out();
  rl::PolicyOutput output{
      policy_features(trajectory.observation), {head.weight, head.bias, 1.0}, {}};
  if (options_.value_head) {
    output.value = rl::ops::linear(features(value_layers_, trajectory.observation),
                                   value_head_.weight, value_head_.bias)
                       .squeeze(-1);
  }
  return output;
}

rl::NamedTensors MlpPolicy::parameters() const {
  rl::NamedTensors result;
  const auto add = [&](const std::string& name, const Layer& layer) {
    if (!layer.weight.defined()) return;
    result.emplace_back(name + ".weight", layer.weight);
    result.emplace_back(name + ".bias", layer.bias);
  };
  for (size_t i = 0; i < policy_layers_.size(); ++i) {
    add("policy." + std::to_string(i), policy_layers_[i]);
  }
  add("policy.head", policy_head_);
  add("policy.value_stream", dueling_head_);
  for (size_t i = 0; i < value_layers_.size(); ++i) {
    add("value." + std::to_string(i), value_layers_[i]);
  }
  add("value.head", value_head_);
  return result;
}

std::unique_ptr<rl::PolicyModel> MlpPolicy::clone() const {
  auto copy = std::make_unique<MlpPolicy>(options_);
  torch::NoGradGuard no_grad;
  const rl::NamedTensors from = parameters(), to = copy->parameters();
  for (size_t i = 0; i < from.size(); ++i) Tensor(to[i].second).copy_(from[i].second);
  return copy;
}

}  // namespace agents
