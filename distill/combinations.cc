#include "distill/combinations.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "distill/component_options.h"
#include "distill/components/domain.h"

namespace distill {
namespace {

// One objective among its surroundings.
struct Place {
  const AgentSpec& agent;
  const LearnerSpec& learner;
  const ObjectiveSpec& objective;
};

void refuse_if(bool wrong, const ComponentSpec& part, const std::string& reason) {
  if (wrong) throw error_at(part.options.mark, reason);
}

constexpr std::array<std::string_view, 4> kTwofold = {"adaptive_mix", "mix", "mixed_pairs",
                                                      "pairs"};

bool has_two(const ComponentSpec& source) {
  return std::find(kTwofold.begin(), kTwofold.end(), source.name) != kTwofold.end();
}

// Whether what is learned from was written by others, whose probabilities nobody noted down.
bool is_written(const Place& at) {
  if (at.agent.source.name == "dataset" || at.agent.source.name == "mixed_pairs") return true;
  return has_two(at.agent.source) && at.objective.rows != "second";
}

// Who acts where a policy gradient learns, and whether what is learned from was done before its last update.
struct Acted {
  ComponentSpec actor = "student";
  SamplingOptions sampling;
  bool is_stale = false;
};

Acted acted(const AgentSpec& agent) {
  Acted found;
  const Options& source = agent.source.options;
  if (agent.source.name == "rollout") {
    const auto rollout = bound<RolloutOptions>(source);
    found = {component(rollout.actor), rollout.sampling};
  } else if (agent.source.name == "mix") {
    const auto mix = bound<MixOptions>(source);
    found = {component(mix.actor), mix.sampling};
  } else if (agent.source.name == "pairs") {
    found.sampling = bound<PairsOptions>(source).sampling;
  } else if (agent.source.name == "adaptive_mix") {
    found.sampling = bound<AdaptiveMixOptions>(source).sampling;
    found.is_stale = true;
  }
  if (agent.memory.name == "replay") {
    found.is_stale = true;
  } else {
    const auto memory = bound<OnPolicyMemoryOptions>(agent.memory.options);
    found.is_stale = found.is_stale || memory.memory.epochs > 1 || memory.episodes > 0;
  }
  return found;
}

void check_imitation(const Place& at) {
  refuse_if(at.objective.reward.terms.empty(), at.objective.loss,
            "loss imitation differentiates its reward, which has no terms");
}

void check_policy_gradient(const Place& at) {
  const auto found = bound<TokenGradientOptions>(at.objective.loss.options);
  const PolicyGradientOptions& gradient = found.gradient;
  const bool is_corrected = found.ratio || gradient.clip > 0 || gradient.importance_clip > 0;
  refuse_if(
      is_written(at), at.objective.loss,
      "loss policy_gradient learns from what was done by somebody whose probabilities are known; "
      "source " +
          at.agent.source.name + " holds written episodes" +
          (has_two(at.agent.source) && at.agent.source.name != "mixed_pairs"
               ? " (rows: second leaves them out)"
               : ""));
  if (!is_corrected) {
    const Acted by = acted(at.agent);
    refuse_if(by.is_stale, at.objective.loss,
              "loss policy_gradient learns from stale steps where they are kept (replay, "
              "adaptive_mix, epochs, episodes): set clip, importance_clip or ratio");
    refuse_if(
        by.actor.name != "student" || !sampling_of(by.sampling).is_plain(), at.agent.source,
        "loss policy_gradient compares with the probabilities that were acted by; where they are "
        "not the policy's own (another actor, temperature, top_k, top_p, min_p), set clip, "
        "importance_clip or ratio");
  }
  const bool grouped = gradient.baseline == "group" || gradient.baseline == "leave_one_out";
  if (!grouped) return;
  refuse_if(
      at.agent.source.name != "rollout", at.agent.source,
      "baseline " + gradient.baseline + " compares episodes that begin alike: source rollout");
  const int64_t together = bound<RolloutOptions>(at.agent.source.options).group_size;
  refuse_if(together != gradient.group_size, at.objective.loss,
            "group_size " + std::to_string(gradient.group_size) +
                ", but the source plays groups of " + std::to_string(together));
}

void check_pair_likelihood(const Place& at) {
  refuse_if(at.agent.source.name != "mixed_pairs", at.objective.loss,
            "loss pair_likelihood learns both texts of a mixture: source mixed_pairs");
}

void check_aligned(const Place& at) {
  refuse_if(at.agent.judge.name != "foreign_teacher", at.objective.loss,
            "loss aligned compares with a teacher of other tokens: judge foreign_teacher");
}

// Of who weighs the teachers.
void check_weights(const Place& at) {
  refuse_if(
      at.agent.judge.name != "teachers", at.objective.loss,
      "loss " + at.objective.loss.name + " learns whose word counts among several: judge teachers");
}

void check_td(const Place& at) {
  const auto td = bound<TdOptions>(at.objective.loss.options);
  refuse_if(
      td.bootstrap == "target" && at.learner.target.name == "none", at.objective.loss,
      "loss td goes with a target network, which nothing ever renews here: set target to copy or "
      "average");
  refuse_if(td.sqil && at.agent.source.name != "mix", at.objective.loss,
            "sqil tells demonstrations from own steps: source mix");
}

void check_soft_td(const Place& at) {
  const auto td = bound<SoftTdOptions>(at.objective.loss.options);
  refuse_if(td.own_steps && at.agent.source.name != "mix", at.objective.loss,
            "own_steps tells demonstrations from own steps: source mix");
}

struct Rule {
  const char* loss;
  void (*check)(const Place&);
};

constexpr Rule kRules[] = {
    {"aligned", check_aligned},
    {"imitation", check_imitation},
    {"mixture_likelihood", check_weights},
    {"pair_likelihood", check_pair_likelihood},
    {"policy_gradient", check_policy_gradient},
    {"soft_td", check_soft_td},
    {"subset_gradient", check_weights},
    {"td", check_td},
};

// A difference of logits is a mean over all of them.
void check_logits(const Place& at) {
  for (const RewardSpec::Term& part : at.objective.reward.terms) {
    refuse_if(part.term.name == "mse_logits" && at.agent.actions.name != "all", part.term,
              "reward mse_logits compares the logits of the whole vocabulary: actions all");
  }
}

// A teacher of other tokens has no opinion of the student's.
void check_foreign(const Place& at) {
  for (const RewardSpec::Term& part : at.objective.reward.terms) {
    refuse_if(teacher_temperature(part.term).has_value(), part.term,
              "reward " + part.term.name +
                  ": judge foreign_teacher has other tokens, which only loss aligned compares");
  }
}

void check_objective(const Place& at) {
  refuse_if(at.objective.rows != "all" && !has_two(at.agent.source), at.objective.loss,
            "rows: " + at.objective.rows +
                " goes with a source of two: mix, adaptive_mix, mixed_pairs or pairs");
  check_logits(at);
  if (at.agent.judge.name == "foreign_teacher") check_foreign(at);
  for (const Rule& rule : kRules) {
    if (at.objective.loss.name == rule.loss) rule.check(at);
  }
}

bool is_paid(const ObjectiveSpec& objective) {
  return objective.loss.name == "policy_gradient" || objective.loss.name == "td";
}

// Who draws by errors needs somebody who tells them.
void check_memory(const AgentSpec& agent) {
  if (agent.memory.name != "replay") return;
  bool anyone_tells = false;
  for (const LearnerSpec& learner : agent.learners) {
    for (const ObjectiveSpec& objective : learner.objectives) {
      anyone_tells = anyone_tells || objective.loss.name == "td";
    }
  }
  refuse_if(bound<ReplayOptions>(agent.memory.options).prioritized && !anyone_tells, agent.memory,
            "prioritized draws by how wrong a loss was, which td alone tells");
}

// A judge that changes reads what is learned from as it was when it judged.
void check_judge(const AgentSpec& agent) {
  const std::string& name = agent.judge.name;
  if (name != "self" && name != "student") return;
  const bool changes =
      name == "student" || bound<SelfJudgeOptions>(agent.judge.options).teacher != "frozen";
  refuse_if(changes && acted(agent).is_stale, agent.judge,
            "judge " + name +
                " changes with the student, but what it judged is kept (replay, adaptive_mix, "
                "epochs, episodes): learn from it once, or give the learner the judge");
  if (name != "self") return;
  refuse_if(agent.patience > 0, agent.judge,
            "judge self reads a context that held-out texts do not have: patience: 0");
  refuse_if(
      agent.source.name == "rollout" && bound<RolloutOptions>(agent.source.options).group_size > 1,
      agent.source, "judge self reads a context for each episode: group_size: 1");
}

template <class T>
std::string whole(const Options& options) {
  T found = bound<T>(options);
  return to_yaml(options_of(found.bindings()));
}

// A judge that becomes another in the course of a training, with every option spelled out; else nothing.
std::string changing(const ComponentSpec& judge) {
  if (judge.name == "adapted_teacher") return whole<AdaptedTeacherOptions>(judge.options);
  if (judge.name == "repaired_teacher") return whole<RepairedTeacherOptions>(judge.options);
  if (judge.name == "self") return whole<SelfJudgeOptions>(judge.options);
  return "";
}

// There is one such judge, the agent's.
void check_judge_of(const LearnerSpec& learner, const AgentSpec& agent) {
  const std::string own = changing(learner.judge);
  const bool is_agents = learner.judge.name == agent.judge.name && own == changing(agent.judge);
  refuse_if(!own.empty() && !is_agents, learner.judge,
            "a learner's judge " + learner.judge.name +
                " is the agent's: expected it there with the same options");
}

}  // namespace

void check_combination(const AgentSpec& agent) {
  check_judge(agent);
  check_memory(agent);
  refuse_if(agent.learners.empty(), agent.source, "an agent has at least one learner");
  bool anyone_paid = false;
  for (const LearnerSpec& learner : agent.learners) {
    refuse_if(learner.objectives.empty(), agent.source,
              "learner " + learner.trains + " has no objective");
    check_judge_of(learner, agent);
    for (const ObjectiveSpec& objective : learner.objectives) {
      check_objective({agent, learner, objective});
      anyone_paid = anyone_paid || is_paid(objective);
    }
  }
  refuse_if(!agent.paid.terms.empty() && !anyone_paid, agent.source,
            "paid: no loss looks at what is paid; policy_gradient and td do");
}

}  // namespace distill
