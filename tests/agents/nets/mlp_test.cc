#include "agents/nets/mlp.h"

#include <gmock/gmock.h>

#include "rl/torch.h"

namespace agents {
namespace {

using rl::Tensor;

MlpPolicy dueling() {
  return MlpPolicy({.inputs = 4, .actions = 3, .hidden = {8, 6}, .seed = 1, .dueling = true});
}

std::map<std::string, Tensor> by_name(const MlpPolicy& policy) {
  std::map<std::string, Tensor> all;
  for (const auto& [name, tensor] : policy.parameters()) all[name] = tensor;
  return all;
}

// A second formula: the streams one by one.
TEST(Mlp, OfADuelingHeadAddsValueAndCentredAdvantages) {
  const MlpPolicy policy = dueling();
  auto p = by_name(policy);
  torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : p) tensor.add_(0.1 * torch::randn_like(tensor));
  const Tensor x = torch::randn({5, 4});
  const auto layer = [&](const Tensor& in, const std::string& name) {
    return torch::addmm(p.at(name + ".bias"), in, p.at(name + ".weight").t());
  };
  const Tensor hidden = layer(layer(x, "policy.0").tanh(), "policy.1").tanh();
  const Tensor value = layer(hidden.narrow(1, 0, 6), "policy.value_stream");
  const Tensor advantage = layer(hidden.narrow(1, 6, 6), "policy.head");
  const Tensor expected = value + advantage - advantage.mean(-1, /*keepdim=*/true);
  EXPECT_TRUE(policy.logits(x).allclose(expected, 1e-4, 1e-6));
}

TEST(Mlp, IsReadOutAsItActs) {
  const MlpPolicy policy = dueling();
  rl::Trajectory t;
  t.observation = torch::randn({2, 3, 4});
  const rl::PolicyOutput output = policy.evaluate(t);
  EXPECT_TRUE(
      output.readout.logits(output.features).allclose(policy.logits(t.observation), 1e-5, 1e-6));
  const Tensor cost = output.readout.logits(output.features).square().sum();
  for (const auto& [name, tensor] : policy.parameters()) {
    EXPECT_GT(torch::autograd::grad({cost}, {tensor}, {}, true)[0].abs().sum().item<double>(), 0)
        << name;
  }
}

TEST(Mlp, IsClonedWhole) {
  const MlpPolicy policy = dueling();
  const Tensor x = torch::randn({5, 4});
  const auto copy = policy.clone();
  EXPECT_TRUE(dynamic_cast<MlpPolicy&>(*copy).logits(x).equal(policy.logits(x)));
}

}  // namespace
}  // namespace agents
