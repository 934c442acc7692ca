// Several teachers as one: a gate learns whose word counts where, and the student follows the mixture.
//
// Agent:  follows the dataset.
// Reward: the student's: minus a divergence to the mixture of the teachers' probabilities, and a share of
//         the written token's log-probability, differentiated at every state (gamma = 0). The gate's: the
//         mixture's log-probability of the written token. Its weights are constants for the student.
// Source: Zhu et al. 2020, "Ensembled CTR Prediction via Knowledge Distillation", arXiv:2011.04106.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec teacher_ensemble(const Options& options) {
  // The weights: of a "gate", or "even", where nothing is learned of the teachers; per "token" or
  // "example"; width of the gate's hidden layer, 0 for none.
  TeachersJudgeOptions pool{.weights = "gate", .per = "example", .hidden = 16};
  double gate_rate = 20;                  // learning rate of the gate, times the run's, > 0
  std::string divergence = "forward_kl";  // or "reverse_kl", "jsd"
  double kd_ratio = 0.5;                  // the teachers' share; the rest is the written token's
  Value actions = "all";                  // the set that the divergence is taken on
  int64_t patience = 0;  // evaluations without a smaller held-out divergence; 0: never stops early
  JsdOptions jsd;        // beta, scale (divergence: jsd); tail and temperatures
  ImitationOptions imitation;  // average: over "tokens" or "sequences"
  bind(options, without(pool.bindings(), {"warm_up"}) +
                    Bindings{{"gate_rate", &gate_rate},
                             {"divergence", &divergence},
                             {"kd_ratio", &kd_ratio},
                             {"actions", &actions},
                             {"patience", &patience}} +
                    jsd.bindings() + imitation.bindings());
  require_one_of(pool.weights, {"gate", "even"}, options, "weights");
  require_one_of(divergence, {"forward_kl", "reverse_kl", "jsd"}, options, "divergence");
  require(divergence == "jsd" || !(options.has("beta") || options.has("scale")), options,
          "divergence: jsd where beta or scale is set");
  require(gate_rate > 0, options, "gate_rate > 0");
  require(kd_ratio > 0 && kd_ratio <= 1, options, "0 < kd_ratio <= 1");
  require(patience >= 0, options, "patience >= 0");
  pool.check(options);
  jsd.check(options);
  imitation.check(options);

  const ComponentSpec term = divergence == "jsd"
                                 ? generalized_jsd(jsd)
                                 : ComponentSpec(divergence, options_of(jsd.divergence.bindings()));
  RewardSpec reward{{{term, -kd_ratio}}};
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
