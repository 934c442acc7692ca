// Supervised fine-tuning: the likelihood of written responses. Also how a model is pretrained.
//
// Agent:  follows the dataset.
// Reward: the log-probability of the token written, differentiated.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec sft(const Options& options) {
  ImitationOptions imitation;  // average: over "tokens" or "sequences"
  bind(options, imitation.bindings());
  imitation.check(options);

  const RewardSpec reward{{{"log_likelihood", 1}}};
  const AgentSpec agent{
      .source = "dataset",
      .learners = {{.trains = "student",
                    .objectives = {{{"imitation", options_of(imitation.bindings())}, reward}}}},
  };
  return {.stages = {{"sft", agent}}};
}

}  // namespace distill
