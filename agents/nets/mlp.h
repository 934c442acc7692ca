#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rl/policy.h"

namespace agents {

struct MlpOptions {
  int64_t inputs = 0;
  int64_t actions = 0;
  std::vector<int64_t> hidden = {64, 64};  // widths of the layers
  /// What each input is multiplied by, so that all have about one size; empty: 1.
  std::vector<double> input_scale = {};
  bool value_head = false;  // a second network of the same shape predicts the return
  /// Between the layers. It also decides how weights begin: orthogonal (tanh), or uniform in
  /// 1 / sqrt(inputs) with biases (relu).
  enum class Activation { tanh, relu };
  Activation activation = Activation::tanh;
  uint64_t seed = 1;     // of the initial weights
  bool dueling = false;  // logits are V + A - mean A, each of a last hidden layer of its own
  /// bool[inputs, actions], see rl::EnvironmentSpec: their logits are so low that they are never taken.
  rl::Tensor closed_actions = {};
};

/// Added to the logit of a closed action: its probability is 0 in float32, at any temperature in use.
inline constexpr double kClosedLogit = -1e6;

/// A policy for small worlds: a multi-layer perceptron over float observations.
///
/// Source of the dueling head: Wang et al. 2016, arXiv:1511.06581, equation 9.
class MlpPolicy : public rl::PolicyModel {
 public:
  /// @throws std::invalid_argument for sizes out of range.
  explicit MlpPolicy(MlpOptions options);

  rl::PolicyOutput evaluate(const rl::Trajectory& trajectory) const override;
  rl::NamedTensors parameters() const override;
  std::unique_ptr<rl::PolicyModel> clone() const override;

  const MlpOptions& options() const { return options_; }

  /// Logits of all actions: float32[..., A] from observations float32[..., inputs].
  rl::Tensor logits(const rl::Tensor& observation) const;

 private:
  struct Layer {
    rl::Tensor weight, bias;
  };

  Layer make_layer(int64_t out, int64_t in, double gain) const;
  Layer read_out() const;
  rl::Tensor features(const std::vector<Layer>& layers, const rl::Tensor& observation) const;
  // What the logits are read out of.
  rl::Tensor policy_features(const rl::Tensor& observation) const;

  MlpOptions options_;
  rl::Tensor input_scale_;    // float32[inputs], or undefined
  rl::Tensor closed_logits_;  // float32[actions, inputs], or undefined
  std::vector<Layer> policy_layers_, value_layers_;
  Layer policy_head_, value_head_;
  Layer dueling_head_;  // V of a dueling network; policy_head_ is its A
};

}  // namespace agents
