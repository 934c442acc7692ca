#pragma once

/// What a method is made of, as names and numbers. A specification can be printed and compared;
/// distill/components turns it into the objects of the same shape (AgentSpec into rl::Agent, ...).

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "distill/options.h"

namespace distill {

/// A component by name, with its options.
struct ComponentSpec {
  ComponentSpec(const char* component) : name(component) {}
  ComponentSpec(std::string component, Options its_options = {})
      : name(std::move(component)), options(std::move(its_options)) {}

  std::string name;
  Options options;
};

/// What a trajectory is worth: a weighted sum of terms. A divergence is a cost: weight -1.
struct RewardSpec {
  struct Term {
    ComponentSpec term;
    double weight = 1;
  };
  std::vector<Term> terms;
};

/// How a reward is learned.
struct ObjectiveSpec {
  ComponentSpec loss;
  RewardSpec reward = {};
  double weight = 1;
  std::string rows = "all";  // of a mixture: "all", or those of its "first" or "second" source
};

/// One model that learns.
struct LearnerSpec {
  std::string trains = "student";
  std::vector<ObjectiveSpec> objectives;
  ComponentSpec target = "none";  // network that slowly follows: "none", "copy" or "average"
  /// Who judges what this learner sees, anew at every update; "none": the agent's judge, once.
  ComponentSpec judge = "none";
  double rate = 1;  // times the run's learning rate
};

/// Who acts, who judges, among which actions, what is paid for whole trajectories, what is remembered, and
/// who learns from it.
struct AgentSpec {
  ComponentSpec source = "dataset";
  ComponentSpec judge = "teacher";
  ComponentSpec actions = "all";
  RewardSpec paid = {};
  /// What a batch was worth to the student once it had learned from it, told to the learners with the
  /// next one; no terms: nobody asks.
  RewardSpec hindsight = {};
  ComponentSpec memory = "on_policy";
  std::vector<LearnerSpec> learners;
  /// Updates that one learner makes before it is the next one's turn; 0: all learn at every update.
  int64_t alternate_every = 0;
  /// Evaluations in a row without a smaller held-out distillation loss after which learning ends; 0:
  /// never.
  int64_t patience = 0;
};

/// One training loop; a method runs its stages in order.
struct StageSpec {
  std::string name;
  AgentSpec agent;
};

struct MethodSpec {
  std::vector<StageSpec> stages;
};

/// Reads a component from a run file: its name, or a map of `name` and options.
///
/// @throws ConfigError for anything else.
ComponentSpec component(const Value& value);

/// The component as a map of `name` and its options.
Options to_options(const ComponentSpec& component);

/// The specification as named values, `to_yaml` prints them; and back. They are the options of the method
/// `custom`.
Options to_options(const AgentSpec& agent);
/// @throws ConfigError for unknown keys and for what is not of the form.
AgentSpec agent_spec(const Options& options);

}  // namespace distill
