#include <optional>
#include <set>
#include <string>

#include "distill/component_options.h"
#include "distill/components/components.h"

namespace distill {
namespace {

// The temperature at which rewards and losses ask for the teacher's opinion; nothing if none asks for it.
std::optional<double> asked_temperature(const AgentSpec& spec) {
  std::optional<double> found;
  const auto ask = [&](std::optional<double> temperature, const Mark& mark) {
    if (found && temperature && *found != *temperature) {
      throw error_at(mark, "all rewards of an agent see the teacher at one temperature, found " +
                               std::to_string(*found) + " and " + std::to_string(*temperature));
    }
    if (temperature) found = temperature;
  };
  for (const LearnerSpec& learner : spec.learners) {
    for (const ObjectiveSpec& objective : learner.objectives) {
      ask(facts_of(objective.loss).teacher_temperature, objective.loss.options.mark);
      for (const RewardSpec::Term& part : objective.reward.terms) {
        ask(teacher_temperature(part.term), part.term.options.mark);
      }
    }
  }
  return found;
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
    if (judge == nullptr || component(*judge).name == "teacher") return true;
  }
  return false;
}

bool includes_taken(const AgentSpec& spec) {
  for (const LearnerSpec& learner : spec.learners) {
    for (const ObjectiveSpec& objective : learner.objectives) {
      if (facts_of(objective.loss).includes_taken) return true;
      for (const RewardSpec::Term& part : objective.reward.terms) {
        if (part.term.name == "log_prior") return true;
      }
    }
  }
  return false;
}

// Who writes what is learned from.
std::set<std::string> writers(const AgentSpec& spec) {
  const ComponentSpec& source = spec.source;
  if (source.name == "dataset") return {"dataset"};
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
  return spec.actions.name != "all" || asked_temperature(spec).has_value();
}

bool needs_responses(const AgentSpec& spec) { return writers(spec).contains("dataset"); }

std::shared_ptr<const rl::Readout> prior_readout(const AgentSpec& spec, const Context& context) {
  return is_judged(spec) ? context.domain.judge_readout(spec.judge, make_offer(spec, context.seed))
                         : nullptr;
}

bool needs_teacher(const AgentSpec& spec) {
  return writers(spec).contains("teacher") || teacher_acts(spec.source) || is_judged(spec) ||
         teacher_pays(spec);
}

agents::OfferOptions make_offer(const AgentSpec& spec, uint64_t seed) {
  agents::OfferOptions offer;
  offer.temperature = asked_temperature(spec).value_or(1.0);
  offer.include_taken = includes_taken(spec);
  if (spec.actions.name == "top_k") {
    offer.kind = agents::OfferOptions::Kind::top_k;
    offer.max_actions = bound<TopKOptions>(spec.actions.options).k;
  } else if (spec.actions.name == "top_p") {
    const auto found = bound<TopPOptions>(spec.actions.options);
    offer.kind = agents::OfferOptions::Kind::top_p;
    offer.max_actions = found.max_actions;
    offer.p = found.p;
  } else if (spec.actions.name == "sampled") {
    offer.kind = agents::OfferOptions::Kind::sampled;
    offer.max_actions = bound<SampledOptions>(spec.actions.options).draws;
    offer.seed = seed;
  } else if (spec.actions.name != "all") {
    throw ConfigError("there is no action set \"" + spec.actions.name + "\"");
  }
  return offer;
}

}  // namespace distill
