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

const Options& map_of(const Value& value, const std::string& what) {
  const Options* map = value.as<Options>();
  if (map == nullptr) {
    throw error_at(value.mark, "expected " + what + ", found " + value.described());
  }
  return *map;
}

const Value::List& list_of(const Value& value, const std::string& what) {
  const Value::List* list = value.as<Value::List>();
  if (list == nullptr) {
    throw error_at(value.mark, "expected a list of " + what + ", found " + value.described());
  }
  return *list;
}

RewardSpec reward_spec(const Value& value) {
  RewardSpec reward;
  if (value.is_nothing()) return reward;
  for (const Value& item : list_of(value, "terms")) {
    Value term;
    double weight = 1;
    bind(map_of(item, "{term: ..., weight: ...}"), {{"term", &term}, {"weight", &weight}});
    reward.terms.push_back({component(term), weight});
  }
  return reward;
}

ObjectiveSpec objective_spec(const Value& value) {
  ObjectiveSpec objective{.loss = "imitation"};
  Value loss = "imitation", reward;
  bind(map_of(value, "{loss: ..., reward: [...]}"), {{"loss", &loss},
                                                     {"weight", &objective.weight},
                                                     {"reward", &reward},
                                                     {"rows", &objective.rows}});
  objective.loss = component(loss);
  objective.reward = reward_spec(reward);
  return objective;
}

LearnerSpec learner_spec(const Value& value) {
  LearnerSpec learner;
  Value objectives, target = "none", judge = "none";
  bind(map_of(value, "{trains: ..., objectives: [...]}"), {{"trains", &learner.trains},
                                                           {"objectives", &objectives},
                                                           {"target", &target},
                                                           {"judge", &judge},
                                                           {"rate", &learner.rate}});
  require(learner.rate > 0, *value.as<Options>(), "rate > 0");
  for (const Value& item : list_of(objectives, "objectives")) {
    learner.objectives.push_back(objective_spec(item));
  }
  learner.target = component(target);
  learner.judge = component(judge);
  return learner;
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

Options to_options(const AgentSpec& agent) {
  Options out{{"source", written(agent.source)}};
  if (agent.judge.name != "teacher") out.set("judge", written(agent.judge));
  out.set("actions", written(agent.actions));
  if (!agent.paid.terms.empty()) out.set("paid", written(agent.paid));
  if (!agent.hindsight.terms.empty()) out.set("hindsight", written(agent.hindsight));
  out.set("memory", written(agent.memory));
  if (agent.alternate_every > 0) out.set("alternate_every", agent.alternate_every);
  Value::List learners;
  for (const LearnerSpec& learner : agent.learners) learners.push_back(written(learner));
  out.set("learners", learners);
  if (agent.patience > 0) out.set("patience", agent.patience);
  return out;
}

AgentSpec agent_spec(const Options& options) {
  Value source = "dataset", judge = "teacher", actions = "all", memory = "on_policy", paid,
        hindsight;
  int64_t alternate_every = 0, patience = 0;
  Value learners = Value::List{Options{
      {"objectives",
       Value::List{Options{{"reward", Value::List{Options{{"term", "log_likelihood"}}}}}}}}};
  bind(options, {{"source", &source},
                 {"judge", &judge},
                 {"actions", &actions},
                 {"paid", &paid},
                 {"hindsight", &hindsight},
                 {"memory", &memory},
                 {"alternate_every", &alternate_every},
                 {"learners", &learners},
                 {"patience", &patience}});
  require(patience >= 0, options, "patience >= 0");
  require(alternate_every >= 0, options, "alternate_every >= 0");
  AgentSpec agent{.source = component(source),
                  .judge = component(judge),
                  .actions = component(actions),
                  .paid = reward_spec(paid),
                  .hindsight = reward_spec(hindsight),
                  .memory = component(memory),
                  .learners = {},
                  .alternate_every = alternate_every,
                  .patience = patience};
  for (const Value& item : list_of(learners, "learners")) {
    agent.learners.push_back(learner_spec(item));
  }
  return agent;
}

}  // namespace distill
