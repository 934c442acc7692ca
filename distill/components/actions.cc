#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "distill/component_options.h"
#include "distill/components/components.h"

namespace distill {
namespace {

using Learners = std::vector<LearnerSpec>;

// Those who learn from what the agent's judge said.
Learners without_own_judge(const AgentSpec& spec) {
  Learners found;
  for (const LearnerSpec& learner : spec.learners) {
    if (learner.judge.name == "none") found.push_back(learner);
  }
  return found;
}

// The temperature at which rewards, losses and what a batch was worth ask for a judge's opinion; nothing if none
// asks for it.
std::optional<double> asked_temperature(const Learners& learners, const RewardSpec& worth) {
  std::optional<double> found;
  const auto ask = [&](std::optional<double> temperature, const Mark& mark) {
    if (found && temperature && *found != *temperature) {
      throw error_at(mark, "all rewards of an agent see the teacher at one temperature, found " +
                               std::to_string(*found) + " and " + std::to_string(*temperature));
    }
    if (temperature) found = temperature;
  };
  for (const LearnerSpec& learner : learners) {
    for (const ObjectiveSpec& objective : learner.objectives) {
      ask(facts_of(objective.loss).teacher_temperature, objective.loss.options.mark);
      for (const RewardSpec::Term& part : objective.reward.terms) {
        ask(teacher_temperature(part.term), part.term.options.mark);
      }
    }
  }
  for (const RewardSpec::Term& part : worth.terms) {
    ask(teacher_temperature(part.term), part.term.options.mark);
  }
  return found;
}

bool is_teacher(const ComponentSpec& judge) {
  static const std::set<std::string> all = {"adapted_teacher", "foreign_teacher",
                                            "repaired_teacher", "teacher", "teachers"};
  return all.contains(judge.name);
}

// Every actor but the student asks the teacher.
bool teacher_acts(const ComponentSpec& source) {
  if (source.name == "rollout") {
    return component(bound<RolloutOptions>(source.options).actor).name != "student";
  }
  return source.name == "mix" &&
         component(bound<MixOptions>(source.options).actor).name != "student";
}

bool teacher_pays(const AgentSpec& spec) {
  for (const RewardSpec::Term& part : spec.paid.terms) {
    const Value* judge = part.term.options.find("judge");
    if (judge == nullptr || is_teacher(component(*judge))) return true;
  }
  return false;
}

bool teaches(const LearnerSpec& learner) {
  return is_teacher(learner.judge) || learner.trains == "teacher_modules";
}

bool includes_taken(const Learners& learners) {
  for (const LearnerSpec& learner : learners) {
    for (const ObjectiveSpec& objective : learner.objectives) {
      if (facts_of(objective.loss).includes_taken) return true;
      for (const RewardSpec::Term& part : objective.reward.terms) {
        if (part.term.name == "log_prior") return true;
      }
    }
  }
  return false;
}

agents::OfferOptions offer_for(const ComponentSpec& actions, const Learners& learners,
                               const RewardSpec& worth, uint64_t seed) {
  agents::OfferOptions offer;
  offer.temperature = asked_temperature(learners, worth).value_or(1.0);
  offer.include_taken = includes_taken(learners);
  if (actions.name == "top_k") {
    offer.kind = agents::OfferOptions::Kind::top_k;
    offer.max_actions = bound<TopKOptions>(actions.options).k;
  } else if (actions.name == "top_p") {
    const auto found = bound<TopPOptions>(actions.options);
    offer.kind = agents::OfferOptions::Kind::top_p;
    offer.max_actions = found.max_actions;
    offer.p = found.p;
  } else if (actions.name == "sampled") {
    offer.kind = agents::OfferOptions::Kind::sampled;
    offer.max_actions = bound<SampledOptions>(actions.options).draws;
    offer.seed = seed;
  } else if (actions.name != "all") {
    throw ConfigError("there is no action set \"" + actions.name + "\"");
  }
  return offer;
}

// Who writes what is learned from.
std::set<std::string> writers(const AgentSpec& spec) {
  const ComponentSpec& source = spec.source;
  if (source.name == "dataset" || source.name == "mixed_pairs") return {"dataset"};
  if (source.name == "rollout") {
    return {component(bound<RolloutOptions>(source.options).actor).name};
  }
  if (source.name == "adaptive_mix") return {"student", "dataset"};
  if (source.name == "pairs") return {"student", bound<PairsOptions>(source.options).first};
  if (source.name != "mix") return {"student"};
  const auto mix = bound<MixOptions>(source.options);
  const bool student_alone = mix.student_fraction.from == 1 && mix.student_fraction.to == 1;
  return student_alone ? std::set<std::string>{"student"}
                       : std::set<std::string>{"student", mix.first};
}

}  // namespace

bool is_judged(const AgentSpec& spec) {
  return spec.actions.name != "all" || has_foreign_teacher(spec) ||
         asked_temperature(without_own_judge(spec), spec.hindsight).has_value();
}

bool needs_responses(const AgentSpec& spec) { return writers(spec).contains("dataset"); }

bool needs_privileged(const AgentSpec& spec) { return spec.judge.name == "self"; }

std::shared_ptr<const rl::Readout> prior_readout(const AgentSpec& spec, const Context& context) {
  return is_judged(spec) ? context.domain.judge_readout(spec.judge, make_offer(spec, context.seed))
                         : nullptr;
}

bool needs_teacher(const AgentSpec& spec) {
  return writers(spec).contains("teacher") || teacher_acts(spec.source) || teacher_pays(spec) ||
         (is_judged(spec) && is_teacher(spec.judge)) ||
         std::any_of(spec.learners.begin(), spec.learners.end(), teaches);
}

agents::OfferOptions make_offer(const AgentSpec& spec, uint64_t seed) {
  return offer_for(spec.actions, without_own_judge(spec), spec.hindsight, seed);
}

agents::OfferOptions make_offer(const AgentSpec& spec, const LearnerSpec& learner, uint64_t seed) {
  return offer_for(spec.actions, {learner}, {}, seed);
}

}  // namespace distill
