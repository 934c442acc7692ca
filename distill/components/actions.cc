#include <algorithm>
#include <optional>

#include "distill/component_options.h"
#include "distill/components/components.h"

namespace distill {
namespace {

bool compares_with_teacher(const ComponentSpec& term) {
  return term.options.has("teacher_temperature") || term.name == "forward_kl" ||
         term.name == "reverse_kl" || term.name == "jsd" || term.name == "mse_logits";
}

using Learners = std::vector<LearnerSpec>;

// Those who learn from what the agent's judge said.
Learners without_own_judge(const AgentSpec& spec) {
  Learners found;
  for (const LearnerSpec& learner : spec.learners) {
    if (learner.judge.name == "none") found.push_back(learner);
  }
  return found;
}

// The reward terms of learners that need a judge's opinion.
std::vector<ComponentSpec> comparisons(const Learners& learners) {
  std::vector<ComponentSpec> found;
  for (const LearnerSpec& learner : learners) {
    for (const ObjectiveSpec& objective : learner.objectives) {
      for (const RewardSpec::Term& part : objective.reward.terms) {
        if (compares_with_teacher(part.term)) found.push_back(part.term);
      }
    }
  }
  return found;
}

// The temperature at which all rewards ask for the teacher's opinion.
double teacher_temperature(const Learners& learners) {
  std::optional<double> found;
  for (const ComponentSpec& term : comparisons(learners)) {
    const double temperature = term.name == "jsd"
                                   ? bound<JsdOptions>(term.options).divergence.teacher_temperature
                                   : bound<DivergenceOptions>(term.options).teacher_temperature;
    if (found && *found != temperature) {
      throw error_at(term.options.mark,
                     "all rewards of an agent see the teacher at one temperature, found " +
                         std::to_string(*found) + " and " + std::to_string(temperature));
    }
    found = temperature;
  }
  return found.value_or(1.0);
}

bool includes_taken(const Learners& learners) {
  for (const LearnerSpec& learner : learners) {
    for (const ObjectiveSpec& objective : learner.objectives) {
      if (objective.loss.name != "soft_td") continue;
      if (bound<SoftTdOptions>(objective.loss.options).out_of_set == "include") return true;
    }
  }
  return false;
}

bool is_teacher(const ComponentSpec& judge) {
  return judge.name == "teacher" || judge.name == "adapted_teacher" ||
         judge.name == "repaired_teacher";
}

agents::OfferOptions offer_for(const ComponentSpec& actions, const Learners& learners) {
  agents::OfferOptions offer;
  offer.temperature = teacher_temperature(learners);
  offer.include_taken = includes_taken(learners);
  if (actions.name == "top_k") {
    offer.kind = agents::OfferOptions::Kind::top_k;
    offer.max_actions = bound<TopKOptions>(actions.options).k;
  } else if (actions.name == "top_p") {
    const auto found = bound<TopPOptions>(actions.options);
    offer.kind = agents::OfferOptions::Kind::top_p;
    offer.max_actions = found.max_actions;
    offer.p = found.p;
  } else if (actions.name != "all") {
    throw ConfigError("there is no action set \"" + actions.name + "\"");
  }
  return offer;
}

}  // namespace

bool is_judged(const AgentSpec& spec) {
  return spec.actions.name != "all" || !comparisons(without_own_judge(spec)).empty();
}

bool needs_responses(const AgentSpec& spec) {
  if (spec.source.name == "rollout" || spec.source.name == "segments") return false;
  if (spec.source.name != "mix") return true;
  const Ramp share = bound<MixOptions>(spec.source.options).student_fraction;
  return share.from < 1 || share.to < 1;
}

bool needs_privileged(const AgentSpec& spec) { return spec.judge.name == "self"; }

std::shared_ptr<const rl::Readout> prior_readout(const AgentSpec& spec, const Context& context) {
  return is_judged(spec) ? context.domain.judge_readout(spec.judge, make_offer(spec)) : nullptr;
}

bool needs_teacher(const AgentSpec& spec) {
  const bool teacher_writes = spec.source.name == "rollout" &&
                              bound<RolloutOptions>(spec.source.options).actor == "teacher";
  const bool pays =
      std::any_of(spec.paid.terms.begin(), spec.paid.terms.end(), [](const RewardSpec::Term& part) {
        return is_teacher(component(bound<LogLikelihoodOfOptions>(part.term.options).judge));
      });
  const bool teaches =
      std::any_of(spec.learners.begin(), spec.learners.end(), [](const LearnerSpec& learner) {
        return is_teacher(learner.judge) || learner.trains == "teacher_modules";
      });
  return teacher_writes || pays || teaches || (is_judged(spec) && is_teacher(spec.judge));
}

agents::OfferOptions make_offer(const AgentSpec& spec) {
  return offer_for(spec.actions, without_own_judge(spec));
}

agents::OfferOptions make_offer(const AgentSpec& spec, const LearnerSpec& learner) {
  return offer_for(spec.actions, {learner});
}

}  // namespace distill
