// Several teachers as one: a gate learns whose word counts where, and the student follows the mixture.
//
// Agent:  follows the dataset.
// Reward: the student's: minus a divergence to the mixture of the teachers' probabilities, and a share of
//         the written token's log-probability, differentiated at every state (gamma = 0). The gate's: the
//         mixture's log-probability of the written token. Its weights are constants for the student.
// Source: Zhu et al. 2020, "Ensembled CTR Prediction via Knowledge Distillation", arXiv:2011.04106.

#include "distill/methods/methods.h"
#include "distill/methods/parts.h"

namespace distill {

MethodSpec teacher_ensemble(const Options& options) {
  // The weights: of a "gate", or "even", where nothing is learned of the teachers; per "token" or
  // "example"; width of the gate's hidden layer, 0 for none.
  TeachersJudgeOptions pool{.weights = "gate", .per = "example", .hidden = 16};
  double gate_rate = 20;        // learning rate of the gate, times the run's, > 0
  NamedDivergence to_teachers;  // divergence; beta, scale; tail and temperatures
  double kd_ratio = 0.5;        // the teachers' share; the rest is the written token's
  Value actions = "all";        // the set that the divergence is taken on
  int64_t patience = 0;  // evaluations without a smaller held-out divergence; 0: never stops early
  ImitationOptions imitation;  // average: over "tokens" or "sequences"
  bind(options, without(pool.bindings(), {"warm_up"}) +
                    Bindings{{"gate_rate", &gate_rate},
                             {"kd_ratio", &kd_ratio},
                             {"actions", &actions},
                             {"patience", &patience}} +
                    to_teachers.bindings() + imitation.bindings());
  require_one_of(pool.weights, {"gate", "even"}, options, "weights");
  require(gate_rate > 0, options, "gate_rate > 0");
  require(kd_ratio > 0 && kd_ratio <= 1, options, "0 < kd_ratio <= 1");
  require(patience >= 0, options, "patience >= 0");
  require_choice(pool.weights == "gate", "weights: gate", options, {"per", "hidden", "gate_rate"});
  pool.check(options);
  to_teachers.check(options);
  imitation.check(options);

  RewardSpec reward{{{to_teachers.term(), -kd_ratio}}};
  if (kd_ratio < 1) reward.terms.push_back({"log_likelihood", 1 - kd_ratio});
  AgentSpec agent{
      .source = "dataset",
      .judge = {"teachers", options_of(pool.bindings())},
      .actions = component(actions),
      .learners = {{.objectives = {{{"imitation", options_of(imitation.bindings())}, reward}}}},
      .patience = patience,
  };
  if (pool.weights == "gate") {
    agent.learners.push_back(
        {.trains = "gate", .objectives = {{.loss = "mixture_likelihood"}}, .rate = gate_rate});
  }
  return {.stages = {{"teacher_ensemble", agent}}};
}

}  // namespace distill
