// MixKD: the student follows the teacher at texts, and where both read a mixture of two texts' embeddings.
//
// Agent:  follows pairs of written responses, some mixed and some as written. Mixed states are virtual:
//         nobody acts there.
// Reward: minus a divergence to the teacher, which reads the same mixture (each model in its own
//         embeddings), and the likelihood of both texts by their shares; at texts as written the same
//         divergence, and their likelihood. Differentiated at every state (gamma = 0).
// Source: Liang et al. 2021, "MixKD: Towards Efficient Distillation of Large-scale Language Models",
//         arXiv:2011.00593.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec mix_kd(const Options& options) {
  MixedPairsOptions pairs;                // mixed_share, beta_shape
  std::string divergence = "forward_kl";  // or "reverse_kl", "mse_logits"
  double kd_weight = 1;                   // of the divergence at mixed states, >= 0
  double pair_weight = 1;                 // of both texts' likelihood there, >= 0
  double written_kd_weight = 1;           // of the divergence at texts as written, >= 0
  double written_weight = 1;              // of their likelihood, >= 0
  DivergenceOptions at;                   // temperatures of a KL, scale_by_t2
  ImitationOptions imitation;             // average: over "tokens" or "sequences"
  const Bindings weights{{"kd_weight", &kd_weight},
                         {"pair_weight", &pair_weight},
                         {"written_kd_weight", &written_kd_weight},
                         {"written_weight", &written_weight}};
  bind(options, pairs.bindings() + Bindings{{"divergence", &divergence}} + weights +
                    without(at.bindings(), {"tail"}) + imitation.bindings());
  require_one_of(divergence, {"forward_kl", "reverse_kl", "mse_logits"}, options, "divergence");
  require_weights(options, weights);
  require_choice(divergence != "mse_logits", "a KL", options,
                 {"teacher_temperature", "student_temperature", "scale_by_t2"});
  pairs.check(options);
  at.check(options);
  imitation.check(options);

  const ComponentSpec loss("imitation", options_of(imitation.bindings()));
  const ComponentSpec term = divergence == "mse_logits"
                                 ? divergence
                                 : ComponentSpec(divergence, options_of(at.bindings()));
  std::vector<ObjectiveSpec> objectives;
  const auto learn = [&](const ObjectiveSpec& objective) {
    if (objective.weight > 0) objectives.push_back(objective);
  };
  const RewardSpec follow{{{term, -1}}};
  learn({loss, follow, kd_weight, "second"});
  learn({"pair_likelihood", {}, pair_weight, "second"});
  learn({loss, follow, written_kd_weight, "first"});
  learn({loss, RewardSpec{{{"log_likelihood", 1}}}, written_weight, "first"});
  const AgentSpec agent{
      .source = {"mixed_pairs", options_of(pairs.bindings())},
      .learners = {{.trains = "student", .objectives = objectives}},
  };
  return {.stages = {{"mix_kd", agent}}};
}

}  // namespace distill
