// Ranking: beside a divergence, the order in which teacher and student put the tokens that either finds
// likely.
//
// Agent:  follows the dataset.
// Reward: minus 1 - the correlation of soft ranks on the union of both sides' top k, and minus a
//         divergence, both differentiated at every visited state (gamma = 0).
// Source: Peng & Zhang 2025, "Enhancing Knowledge Distillation of Large Language Models through
//         Efficient Multi-Modal Distribution Alignment", arXiv:2409.12545.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec ranking(const Options& options) {
  int64_t k = 5;                    // likeliest tokens of each side that are compared, >= 1
  double rank_weight = 2;           // of the ranking, >= 0
  Value divergence = "forward_kl";  // any divergence: a name, or a map of name and options
  double divergence_weight = 1;     // of the divergence, >= 0
  bool dynamic = false;             // the divergence counts by how much of the top k is common
  Value actions = "all";            // the set that both are taken on
  ImitationOptions imitation;       // average: over "tokens" or "sequences"
  const Bindings weights{{"rank_weight", &rank_weight}, {"divergence_weight", &divergence_weight}};
  bind(options, weights +
                    Bindings{{"k", &k},
                             {"divergence", &divergence},
                             {"dynamic", &dynamic},
                             {"actions", &actions}} +
                    imitation.bindings());
  require(k >= 1, options, "k >= 1");
  require_weights(options, weights);
  imitation.check(options);

  RankingOptions order{.k = k};
  OverlappingOptions overlapping{.k = k, .divergence = divergence};
  overlapping.check(options);
  RewardSpec reward;
  if (rank_weight > 0)
    reward.terms.push_back({{"ranking", options_of(order.bindings())}, -rank_weight});
  if (divergence_weight > 0) {
    const ComponentSpec term =
        dynamic ? ComponentSpec("overlapping", options_of(overlapping.bindings()))
                : component(divergence);
    reward.terms.push_back({term, -divergence_weight});
  }
  const AgentSpec agent{
      .source = "dataset",
      .actions = component(actions),
      .learners = {{.trains = "student",
                    .objectives = {{{"imitation", options_of(imitation.bindings())}, reward}}}},
  };
  return {.stages = {{"ranking", agent}}};
}

}  // namespace distill
