// MiniLLM: the reverse KL of whole answers, by a policy gradient of which the part of a single step is exact.
//
// Agent:  each token is drawn from a mixture of the student and the teacher; each answer is learned from a
//         few times. Beside them written responses, for language modelling.
// Reward: log p(a) - log q(a). Minus KL(q, p) of the step itself is differentiated over all actions; the mean
//         reward of the steps that follow is the advantage of a clipped surrogate.
// Source: Gu et al. 2024, "MiniLLM: Knowledge Distillation of Large Language Models", arXiv:2306.08543,
//         equations 3 to 7 and algorithm 1; the release's variants by options (docs/methods.md).

#include "distill/methods/methods.h"
#include "distill/methods/parts.h"

namespace distill {
MethodSpec minillm(const Options& options) {
  MixtureActorOptions mixture;       // teacher_share
  double discount = 1;               // in [0, 1]
  std::string whiten = "none";       // advantages over trained "steps", or over "padding" too
  double reward_scale = 1;           // > 0
  double single_step = 1;            // weight of the exact part, >= 0
  bool single_step_weighted = true;  // by the probability ratio of the student to the mixture
  double written_share = 0.5;        // of the rows, in (0, 1); without lm_weight there are none
  LanguageModelling written;         // lm_weight, kd_ratio: on written responses
  Value actions = "all";             // the set that divergences are taken on
  OnPolicyMemoryOptions memory{.memory = {.epochs = 4}};
  SamplingOptions sampling;  // how the mixture writes
  TokenGradientOptions gradient{.gradient = {.baseline = "none", .clip = 0.2, .normalize = false},
                                .include_current = false,
                                .length_normalized = true};
  bind(options, mixture.bindings() +
                    Bindings{{"discount", &discount},
                             {"include_current", &gradient.include_current},
                             {"length_normalized", &gradient.length_normalized},
                             {"whiten", &whiten},
                             {"clip", &gradient.gradient.clip},
                             {"reward_scale", &reward_scale},
                             {"reward_clip", &gradient.reward_clip},
                             {"single_step", &single_step},
                             {"single_step_weighted", &single_step_weighted},
                             {"written_share", &written_share},
                             {"actions", &actions}} +
                    written.bindings() + memory.bindings() + sampling.bindings());
  require(discount >= 0 && discount <= 1, options, "0 <= discount <= 1");
  require_one_of(whiten, {"none", "steps", "padding"}, options, "whiten");
  require(reward_scale > 0, options, "reward_scale > 0");
  require(single_step >= 0, options, "single_step >= 0");
  require(written_share > 0 && written_share < 1, options, "0 < written_share < 1");
  gradient.gradient.gamma = discount;
  gradient.gradient.normalize = whiten != "none";
  gradient.normalize_padding = whiten == "padding";
  gradient.ratio = gradient.gradient.clip == 0;
  mixture.check(options);
  written.check(options);
  memory.check(options);
  sampling.check(options);
  gradient.check(options);

  const bool reads = written.lm_weight > 0;
  const std::string rows = reads ? "second" : "all";
  const RewardSpec reward{{{"log_prior", reward_scale}, {"log_likelihood", -reward_scale}}};
  std::vector<ObjectiveSpec> objectives = {
      {{"policy_gradient", options_of(gradient.bindings())}, reward, 1, rows}};
  WeighedImitationOptions exact{.importance = single_step_weighted};
  if (single_step > 0) {
    objectives.push_back(
        {{"imitation", options_of(exact.bindings())}, {{{"reverse_kl", -1}}}, single_step, rows});
  }
  if (reads) objectives.push_back({"imitation", written.reward(), written.lm_weight, "first"});

  const ComponentSpec writer("mixture", options_of(mixture.bindings()));
  const AgentSpec agent{
      .source = beside_written(reads ? written_share : 0, writer, sampling),
      .actions = component(actions),
      .memory = {"on_policy", options_of(memory.bindings())},
      .learners = {{.objectives = objectives}},
  };
  return {.stages = {{"minillm", agent}}};
}

}  // namespace distill
