#include <algorithm>
#include <optional>

#include "distill/component_options.h"
#include "distill/components/components.h"

namespace distill {
namespace {

// Whether an update averages over tokens or first within sequences: one answer per learner.
rl::Average average_of(const LearnerSpec& spec) {
  std::optional<std::string> found;
  for (const ObjectiveSpec& objective : spec.objectives) {
    const std::optional<std::string> average = facts_of(objective.loss).average;
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

// The run's schedule, with another height where the learner has a rate of its own.
std::function<double(int64_t)> schedule_of(const LearnerSpec& spec,
                                           const LearnerSettings& settings) {
  if (spec.rate == 1) return settings.learning_rate;
  return [schedule = settings.learning_rate, rate = spec.rate](int64_t step) {
    return rate * schedule(step);
  };
}

// Objectives are told apart in metrics: a loss that is there already gets a number.
std::string name_among(const std::vector<rl::Objective>& others, const std::string& loss) {
  std::string name = loss;
  for (int count = 2; std::any_of(others.begin(), others.end(),
                                  [&](const rl::Objective& other) { return other.name == name; });
       ++count) {
    name = loss + std::to_string(count);
  }
  return name;
}

// Whether the judge asks the model that the learner trains.
bool asks(const ComponentSpec& judge, const LearnerSpec& learner) {
  const bool adapts = judge.name == "adapted_teacher" || judge.name == "repaired_teacher";
  return learner.trains == (adapts ? "teacher_modules" : judge.name);
}

// @param earlier the agent's learners before this one.
std::unique_ptr<rl::Learner> make_learner(const LearnerSpec& spec, const AgentSpec& agent,
                                          const std::vector<std::unique_ptr<rl::Learner>>& earlier,
                                          const Context& context, const LearnerSettings& settings) {
  std::vector<rl::Objective> objectives;
  for (const ObjectiveSpec& objective : spec.objectives) {
    const std::string loss = objective.loss.name;
    const std::string name = objective.rows == "all" ? loss : loss + "_" + objective.rows;
    objectives.push_back({.name = name_among(objectives, name),
                          .weight = objective.weight,
                          .loss = make_loss(objective.loss),
                          .reward = make_reward(objective.reward),
                          .rows = rows_of(objective.rows)});
  }
  rl::LearnerOptions options = settings;
  options.name = spec.trains;
  options.learning_rate = schedule_of(spec, settings);
  options.average = average_of(spec);
  if (spec.target.name == "copy") {
    options.target_copy_every = bound<CopyTargetOptions>(spec.target.options).every;
  } else if (spec.target.name == "average") {
    options.target_average = bound<AverageTargetOptions>(spec.target.options).share;
  }
  if (spec.judge.name != "none") {
    options.judge = context.domain.judge(spec.judge, make_offer(agent, spec, context.seed));
    for (size_t i = 0; i < earlier.size(); ++i) {
      if (asks(spec.judge, agent.learners[i])) options.judge_learns = earlier[i].get();
    }
  }
  // Those who take turns never learn from one batch.
  const auto after = agent.learners.begin() + static_cast<std::ptrdiff_t>(earlier.size()) + 1;
  options.keeps_states = agent.alternate_every == 0 &&
                         std::any_of(after, agent.learners.end(), [&](const LearnerSpec& later) {
                           return asks(later.judge, spec);
                         });
  return std::make_unique<rl::Learner>(context.domain.model(spec.trains), std::move(objectives),
                                       options);
}

}  // namespace

rl::ReplayOptions make_memory(const ComponentSpec& spec) {
  if (spec.name == "on_policy") {
    return {.capacity = 0, .epochs = bound<OnPolicyMemoryOptions>(spec.options).memory.epochs};
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
  rl::Agent agent{make_source(spec, context),
                  rl::ReplayBuffer(make_memory(spec.memory), context.seed),
                  {},
                  spec.alternate_every};
  for (const LearnerSpec& learner : spec.learners) {
    agent.learners.push_back(make_learner(learner, spec, agent.learners, context, settings));
  }
  return agent;
}

}  // namespace distill
