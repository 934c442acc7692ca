#include "distill/spec.h"

namespace distill {
namespace {

Value written(const ComponentSpec& component) {
  if (component.options.empty()) return component.name;
  return to_options(component);
}

Value written(const RewardSpec& reward) {
  Value::List terms;
  for (const RewardSpec::Term& term : reward.terms) {
    terms.push_back(Options{{"term", written(term.term)}, {"weight", term.weight}});
  }
  return terms;
}

Value written(const LearnerSpec& learner) {
  Value::List objectives;
  for (const ObjectiveSpec& objective : learner.objectives) {
    Options out{{"loss", written(objective.loss)}, {"weight", objective.weight}};
    if (!objective.reward.terms.empty()) out.set("reward", written(objective.reward));
    if (objective.rows != "all") out.set("rows", objective.rows);
    objectives.push_back(out);
  }
  Options out{{"trains", learner.trains}, {"objectives", objectives}};
  if (learner.target.name != "none") out.set("target", written(learner.target));
  if (learner.judge.name != "none") out.set("judge", written(learner.judge));
  if (learner.rate != 1) out.set("rate", learner.rate);
  return out;
}

Value written(const StageSpec& stage) {
  Value::List learners;
  for (const LearnerSpec& learner : stage.agent.learners) learners.push_back(written(learner));
  const AgentSpec& agent = stage.agent;
  Options out{{"name", stage.name}, {"source", written(agent.source)}};
  if (agent.judge.name != "teacher") out.set("judge", written(agent.judge));
  out.set("actions", written(agent.actions));
  if (!agent.paid.terms.empty()) out.set("paid", written(agent.paid));
  if (!agent.hindsight.terms.empty()) out.set("hindsight", written(agent.hindsight));
  out.set("memory", written(agent.memory));
  out.set("learners", learners);
  if (agent.patience > 0) out.set("patience", agent.patience);
  return out;
}

}  // namespace

ComponentSpec component(const Value& value) {
  if (const std::string* name = value.as<std::string>()) {
    ComponentSpec out(*name);
    out.options.mark = value.mark;
    return out;
  }
  const Options* map = value.as<Options>();
  const Value* name = map == nullptr ? nullptr : map->find("name");
  if (name == nullptr || name->as<std::string>() == nullptr) {
    throw error_at(value.mark,
                   "expected the name of a component or {name: ..., option: value}, found " +
                       value.described());
  }
  ComponentSpec out(*name->as<std::string>(), *map);
  out.options.erase("name");
  return out;
}

Options to_options(const ComponentSpec& component) {
  Options out{{"name", component.name}};
  for (const Options::Entry& entry : component.options.entries()) out.set(entry.name, entry.value);
  return out;
}

Options to_options(const MethodSpec& method) {
  Value::List stages;
  for (const StageSpec& stage : method.stages) stages.push_back(written(stage));
  return {{"stages", stages}};
}

}  // namespace distill
