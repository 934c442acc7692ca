#include <optional>

#include "distill/component_options.h"
#include "distill/components/components.h"

namespace distill {
namespace {

// The temperature at which all rewards ask for the teacher's opinion; nothing if none asks for it.
std::optional<double> asked_temperature(const AgentSpec& spec) {
  std::optional<double> found;
  for (const LearnerSpec& learner : spec.learners) {
    for (const ObjectiveSpec& objective : learner.objectives) {
      for (const RewardSpec::Term& part : objective.reward.terms) {
        const std::optional<double> temperature = teacher_temperature(part.term);
        if (!temperature) continue;
        if (found && *found != *temperature) {
          throw error_at(part.term.options.mark,
                         "all rewards of an agent see the teacher at one temperature, found " +
                             std::to_string(*found) + " and " + std::to_string(*temperature));
        }
        found = temperature;
      }
    }
  }
  return found;
}

bool includes_taken(const AgentSpec& spec) {
  for (const LearnerSpec& learner : spec.learners) {
    for (const ObjectiveSpec& objective : learner.objectives) {
      if (objective.loss.name != "soft_td") continue;
      if (bound<SoftTdOptions>(objective.loss.options).out_of_set == "include") return true;
    }
  }
  return false;
}

}  // namespace

bool is_judged(const AgentSpec& spec) {
  return spec.actions.name != "all" || asked_temperature(spec).has_value();
}

bool needs_responses(const AgentSpec& spec) {
  if (spec.source.name == "rollout" || spec.source.name == "segments") return false;
  if (spec.source.name != "mix") return true;
  const Ramp share = bound<MixOptions>(spec.source.options).student_fraction;
  return share.from < 1 || share.to < 1;
}

std::shared_ptr<const rl::Readout> prior_readout(const AgentSpec& spec, const Context& context) {
  return is_judged(spec) ? context.domain.judge_readout(spec.judge, make_offer(spec)) : nullptr;
}

bool needs_teacher(const AgentSpec& spec) {
  const bool teacher_writes = spec.source.name == "rollout" &&
                              bound<RolloutOptions>(spec.source.options).actor == "teacher";
  return teacher_writes || is_judged(spec);
}

agents::OfferOptions make_offer(const AgentSpec& spec) {
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
  } else if (spec.actions.name != "all") {
    throw ConfigError("there is no action set \"" + spec.actions.name + "\"");
  }
  return offer;
}

}  // namespace distill
