// Reinforced selection of teachers: a policy takes some of them for each example, and learns from what
// that did for the student.
//
// Agent:  follows the dataset. The selector takes each teacher with a probability of its own.
// Reward: the student's: the written token's log-probability, and minus the KL from the mean of the
//         teachers taken, differentiated (gamma = 0). The selector's, once the student has learned: R1
//         minus the student's cross-entropy, R2 minus that to the teachers taken as well, R3 a mixture
//         of R2 and of exp(-held-out loss).
// Source: Yuan et al. 2021, "Reinforced Multi-Teacher Selection for Knowledge Distillation",
//         arXiv:2012.06048.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec teacher_selection(const Options& options) {
  std::string reward = "r2";  // of the selector: "r1", "r2" or "r3"
  double kd_weight = 1;       // of the divergence to the teachers taken, > 0
  double selector_rate = 20;  // learning rate of the selector, times the run's, > 0
  // Width of the selector's hidden layer, 0 for none; first examples for which all are taken.
  TeachersJudgeOptions pool{.weights = "selector", .hidden = 0, .warm_up = 1000};
  SubsetGradientOptions gradient{.own_share = 0.5};  // own_share: R2's share of R3; baseline_decay
  DivergenceOptions divergence;                      // tail and temperatures
  ImitationOptions imitation;                        // average: over "tokens" or "sequences"
  bind(options,
       Bindings{{"reward", &reward}, {"kd_weight", &kd_weight}, {"selector_rate", &selector_rate}} +
           without(pool.bindings(), {"weights", "per"}) +
           without(gradient.bindings(), {"warm_up"}) + divergence.bindings() +
           imitation.bindings());
  require_one_of(reward, {"r1", "r2", "r3"}, options, "reward");
  require(kd_weight > 0, options, "kd_weight > 0");
  require(selector_rate > 0, options, "selector_rate > 0");
  require_choice(reward == "r3", "reward: r3", options, {"own_share"});
  gradient.warm_up = pool.warm_up;
  pool.check(options);
  gradient.check(options);
  divergence.check(options);
  imitation.check(options);

  if (reward != "r3") gradient.own_share = 1;
  const Options compared = options_of(divergence.bindings());
  RewardSpec worth{{{"log_likelihood", 1}}};
  if (reward != "r1") worth.terms.push_back({{"cross_entropy", compared}, -1});
  const RewardSpec imitated{{{"log_likelihood", 1}, {{"forward_kl", compared}, -kd_weight}}};
  const AgentSpec agent{
      .source = "dataset",
      .judge = {"teachers", options_of(pool.bindings())},
      .hindsight = worth,
      .learners = {{.objectives = {{{"imitation", options_of(imitation.bindings())}, imitated}}},
                   {.trains = "selector",
                    .objectives = {{{"subset_gradient", options_of(gradient.bindings())}}},
                    .rate = selector_rate}},
  };
  return {.stages = {{"teacher_selection", agent}}};
}

}  // namespace distill
