#include <optional>

#include "distill/component_options.h"
#include "distill/components/components.h"

namespace distill {
namespace {

// What a loss says of it, if it does.
std::optional<std::string> average_of(const ComponentSpec& loss) {
  if (loss.name == "imitation") return bound<ImitationOptions>(loss.options).average;
  if (loss.name == "aligned") return bound<AlignedOptions>(loss.options).average;
  if (loss.name == "subset_gradient") return "sequences";  // a choice is made for a whole row
  return std::nullopt;
}

// Whether an update averages over tokens or first within sequences: one answer per learner.
rl::Average average_of(const LearnerSpec& spec) {
  std::optional<std::string> found;
  for (const ObjectiveSpec& objective : spec.objectives) {
    const std::optional<std::string> average = average_of(objective.loss);
    if (!average) continue;
    if (found && *found != *average) {
      throw error_at(objective.loss.options.mark,
                     "the objectives of a learner share one average, found \"" + *found +
                         "\" and \"" + *average + "\"");
    }
    found = average;
  }
  return found == "sequences" ? rl::Average::kRows : rl::Average::kSteps;
}

rl::Rows rows_of(const std::string& name) {
  if (name == "first") return rl::Rows::kFirst;
  return name == "second" ? rl::Rows::kSecond : rl::Rows::kAll;
}

std::unique_ptr<rl::Learner> make_learner(const LearnerSpec& spec, const Context& context,
                                          const LearnerSettings& settings) {
  std::vector<rl::Objective> objectives;
  for (const ObjectiveSpec& objective : spec.objectives) {
    objectives.push_back({.name = objective.loss.name,
                          .weight = objective.weight,
                          .loss = make_loss(objective.loss),
                          .reward = make_reward(objective.reward),
                          .rows = rows_of(objective.rows)});
  }
  LearnerSettings options = settings;
  options.name = spec.trains;
  options.average = average_of(spec);
  options.learning_rate = [rate = settings.learning_rate, factor = spec.rate](int64_t update) {
    return factor * rate(update);
  };
  if (spec.target.name == "copy") {
    options.target_copy_every = bound<CopyTargetOptions>(spec.target.options).every;
  } else if (spec.target.name == "average") {
    options.target_average = bound<AverageTargetOptions>(spec.target.options).share;
  }
  if (spec.judge.name != "none") options.judge = context.domain.judge(spec.judge, {});
  return std::make_unique<rl::Learner>(context.domain.model(spec.trains), std::move(objectives),
                                       options);
}

}  // namespace

rl::ReplayOptions make_memory(const ComponentSpec& spec) {
  if (spec.name == "on_policy") {
    return {.capacity = 0, .epochs = bound<OnPolicyOptions>(spec.options).epochs};
  }
  if (spec.name == "replay") {
    const auto found = bound<ReplayOptions>(spec.options);
    rl::ReplayOptions memory{.capacity = found.capacity,
                             .capacity_bytes = found.megabytes << 20,
                             .warm_up = found.warm_up};
    if (found.prioritized) {
      memory.priorities = rl::PriorityOptions{
          .alpha = found.alpha, .beta_first = found.beta.from, .beta_last = found.beta.to};
    }
    return memory;
  }
  throw ConfigError("there is no memory \"" + spec.name + "\"");
}

rl::Agent make_agent(const AgentSpec& spec, const Context& context,
                     const LearnerSettings& settings) {
  rl::Agent agent{
      make_source(spec, context), rl::ReplayBuffer(make_memory(spec.memory), context.seed), {}};
  for (const LearnerSpec& learner : spec.learners) {
    agent.learners.push_back(make_learner(learner, context, settings));
  }
  return agent;
}

}  // namespace distill
