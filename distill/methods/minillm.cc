// MiniLLM: the reverse KL of whole answers, by a policy gradient of which the part of a single step is exact.
//
// Agent:  each token is drawn from a mixture of the student and the teacher; each answer is learned from a
//         few times. Beside them written responses, for language modelling.
// Reward: log p(a) - log q(a). Minus KL(q, p) of the step itself is differentiated over all actions; the mean
//         reward of the steps that follow is the advantage of a clipped surrogate.
// Source: Gu et al. 2024, arXiv:2306.08543, equations 3 to 7 and algorithm 1; the release's by options.

#include "distill/methods/methods.h"
#include "distill/methods/parts.h"

namespace distill {

MethodSpec minillm(const Options& options) {
  MixtureActorOptions mixture;  // teacher_share
  TokenRewards tokens{.discount = 1, .clip = 0.2, .memory = {.memory = {.epochs = 4}}};
  TokenGradientOptions gradient{
      .gradient = {.baseline = "none"}, .include_current = false, .length_normalized = true};
  std::string whiten = "none";  // advantages over trained "steps", or over "padding" too
  double reward_scale = 1;      // > 0
  ExactStep exact;              // single_step, single_step_weighted
  double written_share = 0.5;   // of the rows, in (0, 1); without lm_weight there are none
  LanguageModelling written;    // lm_weight, kd_ratio: on written responses
  Value actions = "all";        // the set that divergences are taken on
  bind(options,
       mixture.bindings() + tokens.bindings() + written.bindings() + exact.bindings() +
           only(gradient.bindings(), {"include_current", "length_normalized", "reward_clip"}) +
           Bindings{{"whiten", &whiten},
                    {"reward_scale", &reward_scale},
                    {"written_share", &written_share},
                    {"actions", &actions}});
  require_one_of(whiten, {"none", "steps", "padding"}, options, "whiten");
  require(reward_scale > 0, options, "reward_scale > 0");
  require(written_share > 0 && written_share < 1, options, "0 < written_share < 1");
  const bool reads = written.lm_weight > 0;
  require_choice(reads, "lm_weight > 0", options, {"written_share"});
  gradient.gradient.normalize = whiten != "none";
  gradient.normalize_padding = whiten == "padding";
  mixture.check(options);
  tokens.check(options);
  gradient.check(options);
  written.check(options);
  exact.check(options);

  const std::string rows = reads ? "second" : "all";
  const RewardSpec reward{{{"log_prior", reward_scale}, {"log_likelihood", -reward_scale}}};
  std::vector<ObjectiveSpec> objectives = {{tokens.loss(gradient), reward, 1, rows}};
  exact.add_to(objectives, rows);
  if (reads) objectives.push_back({"imitation", written.reward(), written.lm_weight, "first"});
  const ComponentSpec writer("mixture", options_of(mixture.bindings()));
  const AgentSpec agent{
      .source = beside_written(reads ? written_share : 0, writer, tokens.sampling),
      .actions = component(actions),
      .memory = {"on_policy", options_of(tokens.memory.bindings())},
      .learners = {{.objectives = objectives}},
  };
  return {.stages = {{"minillm", agent}}};
}

}  // namespace distill
