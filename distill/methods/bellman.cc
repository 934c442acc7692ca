// Bellman distillation: the student's logits are soft Q-values on the teacher's likeliest tokens,
// and the reward that they imply is kept small.
//
// Agent:  follows written responses, rollouts of the teacher or the student, or a mixture.
// Reward: none is given; the one implied, Q(s, a) - gamma V(s'), is regularised. Beside it the
//         written token's log-probability and a forward KL to the teacher, differentiated.
// Source: Yu, Li & Zhang 2025, "Language Model Distillation: A Temporal Difference Imitation
//         Learning Perspective", arXiv:2505.20335: the gathered form (docs/methods.md).

#include "distill/methods/methods.h"
#include "distill/methods/parts.h"

namespace distill {

MethodSpec bellman(const Options& options) {
  std::string source = "dataset";  // or "teacher", "student", "mix": who writes the responses
  MixOptions mix;  // of source: mix: student_fraction, per, actor; sampling of writers
  Value actions = Options{{"name", "top_p"}, {"p", 0.8}};  // the reduced action space
  SoftTdOptions td;           // gamma, alpha, chi2, gauge, q_min, tail, out_of_set, entropy
  LanguageModelling written;  // lm_weight, kd_ratio: on the same responses
  bind(options, Bindings{{"source", &source}, {"actions", &actions}} + written.bindings() +
                    without(td.bindings(), {"own_steps", "chi2_on_own"}) +
                    without(mix.bindings(), {"first"}));
  require_one_of(source, {"dataset", "teacher", "student", "mix"}, options, "source");
  require_choice(source == "mix", "source: mix", options, {"student_fraction", "per", "actor"});
  require_choice(source != "dataset", "a source that writes", options,
                 {"temperature", "top_k", "top_p", "min_p"});
  require_choice(td.gauge != "raw", "another gauge", options, {"q_min"});
  require_choice(td.chi2, "chi2: true", options, {"alpha"});
  written.check(options);
  td.check(options);
  mix.check(options);

  std::vector<ObjectiveSpec> objectives = {{.loss = {"soft_td", options_of(td.bindings())}}};
  if (written.lm_weight > 0) {
    objectives.push_back({"imitation", written.reward(), written.lm_weight});
  }
  RolloutOptions rollout{.actor = source, .sampling = mix.sampling};
  const AgentSpec agent{
      .source = source == "dataset" ? "dataset"
                : source == "mix"   ? ComponentSpec("mix", options_of(mix.bindings()))
                                    : ComponentSpec("rollout", options_of(rollout.bindings())),
      .actions = component(actions),
      .learners = {{.trains = "student", .objectives = objectives}},
  };
  return {.stages = {{"bellman", agent}}};
}

}  // namespace distill
