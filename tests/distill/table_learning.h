#pragma once

/// Methods' learners on policies that are tables.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "distill/components/components.h"
#include "distill/registry.h"
#include "distill/yaml.h"
#include "rl/learner.h"
#include "rl/torch.h"
#include "tests/toy/logits_policy.h"

namespace distill {

inline MethodSpec build(const std::string& name, const std::string& yaml = "") {
  const Options options = yaml.empty() ? Options() : parse_yaml(yaml, "run.yaml");
  const MethodSpec method = find_method(name).build(options);
  check_components(method);
  return method;
}

inline const AgentSpec& agent_of(const MethodSpec& method) { return method.stages.at(0).agent; }

// The learner of a method, of a policy whose logits are a table.
struct Learning {
  Learning(const LearnerSpec& spec, const rl::Tensor& logits, int64_t micro_batch_tokens = 100000)
      : policy(std::make_shared<rl::toy::LogitsPolicy>(logits)) {
    std::vector<rl::Objective> objectives;
    for (const ObjectiveSpec& objective : spec.objectives) {
      const auto rows = objective.rows == "second"  ? rl::Rows::kSecond
                        : objective.rows == "first" ? rl::Rows::kFirst
                                                    : rl::Rows::kAll;
      std::string name = objective.loss.name;
      while (std::any_of(objectives.begin(), objectives.end(),
                         [&](const rl::Objective& other) { return other.name == name; })) {
        name += "+";
      }
      objectives.push_back(
          {name, objective.weight, make_loss(objective.loss), make_reward(objective.reward), rows});
    }
    rl::LearnerOptions options;
    options.micro_batch_tokens = micro_batch_tokens;
    learner = std::make_unique<rl::Learner>(policy, std::move(objectives), options);
  }
  void set(const rl::Tensor& logits) {
    torch::NoGradGuard no_grad;
    policy->logits.copy_(logits);
  }
  // The gradient of an update from what is prepared, and its metrics.
  rl::Tensor learn(const rl::Trajectory& prepared) {
    learner->accumulate(prepared);
    const rl::Tensor gradient = learner->gradients()[0];
    metrics = learner->step();
    return gradient;
  }

  std::shared_ptr<rl::toy::LogitsPolicy> policy;
  std::unique_ptr<rl::Learner> learner;
  rl::Metrics metrics;
};

}  // namespace distill
