#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "agents/nets/mlp.h"
#include "rl/policy.h"

namespace agents {

/// Acts in a small world by its policy's probabilities, or greedily.
class MlpActor : public rl::Actor {
 public:
  /// @param greedy always the likeliest action.
  MlpActor(std::shared_ptr<const MlpPolicy> policy, bool greedy, uint64_t seed);

  void begin(const rl::TimeStep&) override {}
  rl::Choice act(const rl::TimeStep& now) override;
  void keep(const rl::Tensor&) override {}

 private:
  std::shared_ptr<const MlpPolicy> policy_;
  bool greedy_;
  uint64_t key_;
};

/// The likeliest action, or with probability epsilon any action.
class EpsilonGreedy : public rl::Actor {
 public:
  /// @param epsilon may change in the course of the training; called at every step.
  EpsilonGreedy(std::shared_ptr<const MlpPolicy> policy, std::function<double()> epsilon,
                uint64_t seed);

  void begin(const rl::TimeStep&) override {}
  rl::Choice act(const rl::TimeStep& now) override;
  void keep(const rl::Tensor&) override {}

 private:
  std::shared_ptr<const MlpPolicy> policy_;
  std::function<double()> epsilon_;
  uint64_t explore_key_, action_key_;
};

}  // namespace agents
