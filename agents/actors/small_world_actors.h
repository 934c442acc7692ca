#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "agents/actors/logits_actor.h"
#include "agents/nets/mlp.h"
#include "agents/next_logits.h"
#include "rl/policy.h"

namespace agents {

/// What a policy of a small world finds likely next.
class MlpLogits : public NextLogits {
 public:
  explicit MlpLogits(std::shared_ptr<const MlpPolicy> policy) : policy_(std::move(policy)) {}

  void begin(const rl::TimeStep&) override {}
  rl::Tensor of(const rl::TimeStep& now) override { return policy_->logits(now.observation); }
  void keep(const rl::Tensor&) override {}

 private:
  std::shared_ptr<const MlpPolicy> policy_;
};

/// Draws actions in a small world by its policy's probabilities.
class MlpActor : public LogitsActor {
 public:
  /// @param seed, role of its random draws.
  MlpActor(std::shared_ptr<const MlpPolicy> policy, const SamplingOptions& sampling, uint64_t seed,
           std::string_view role)
      : LogitsActor(std::make_unique<MlpLogits>(std::move(policy)), sampling, seed, role) {}
};

/// The likeliest action, or with probability epsilon any action.
class EpsilonGreedy : public rl::Actor {
 public:
  /// @param epsilon by share of the training done, in [0, 1).
  EpsilonGreedy(std::shared_ptr<const MlpPolicy> policy, std::function<double(double)> epsilon,
                uint64_t seed);

  void begin(const rl::TimeStep&) override {}
  void set_progress(double progress) override { progress_ = progress; }
  rl::Choice act(const rl::TimeStep& now) override;
  void keep(const rl::Tensor&) override {}

 private:
  std::shared_ptr<const MlpPolicy> policy_;
  std::function<double(double)> epsilon_;
  double progress_ = 0;
  uint64_t explore_key_, action_key_;
};

}  // namespace agents
