#include <optional>

#include "distill/component_options.h"
#include "distill/components/components.h"

namespace distill {
namespace {

bool compares_with_teacher(const ComponentSpec& term) {
  return term.options.has("teacher_temperature") || term.name == "forward_kl" ||
         term.name == "reverse_kl" || term.name == "jsd";
}

// The temperature at which all rewards ask for the teacher's opinion.
double teacher_temperature(const AgentSpec& spec) {
  std::optional<double> found;
  for (const LearnerSpec& learner : spec.learners) {
    for (const ObjectiveSpec& objective : learner.objectives) {
      for (const RewardSpec::Term& part : objective.reward.terms) {
        if (!compares_with_teacher(part.term)) continue;
        const double temperature =
            part.term.name == "jsd"
                ? bound<JsdOptions>(part.term.options).divergence.teacher_temperature
                : bound<DivergenceOptions>(part.term.options).teacher_temperature;
        if (found && *found != temperature) {
          throw error_at(part.term.options.mark,
                         "all rewards of an agent see the teacher at one temperature, found " +
                             std::to_string(*found) + " and " + std::to_string(temperature));
        }
        found = temperature;
      }
    }
  }
  return found.value_or(1.0);
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
  if (spec.actions.name != "all") return true;
  for (const LearnerSpec& learner : spec.learners) {
    for (const ObjectiveSpec& objective : learner.objectives) {
      if (objective.loss.name == "relation") return true;
      for (const RewardSpec::Term& part : objective.reward.terms) {
        if (compares_with_teacher(part.term)) return true;
      }
    }
  }
  return false;
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
  offer.temperature = teacher_temperature(spec);
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
