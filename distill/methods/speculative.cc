// Speculative knowledge distillation: the student writes as long as the teacher finds its tokens likely, and
// the teacher replaces the others.
//
// Agent:  the student proposes, the teacher replaces what is not among its k likeliest; by `written_share` the
//         dataset.
// Reward: minus a divergence to the teacher at every token, whoever wrote it; differentiated (gamma = 0).
// Source: Xu et al. 2025, "Speculative Knowledge Distillation: Bridging the Teacher-Student Gap Through
//         Interleaved Sampling", arXiv:2410.11325.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec speculative(const Options& options) {
  SpeculativeActorOptions actor;  // k, decay_tokens, draft_tokens, replace_temperature, ...
  SamplingOptions sampling{.temperature = 0.5, .top_p = 0.5};  // how the student proposes
  double written_share = 0;               // of the rows that are written responses, in [0, 1)
  std::string divergence = "forward_kl";  // or "reverse_kl", "jsd"
  Value actions = "all";                  // the set that the divergence is taken on
  JsdOptions jsd;                         // beta, scale (divergence: jsd); tail and temperatures
  ImitationOptions imitation{.average = "sequences"};
  OnPolicyMemoryOptions memory;  // epochs, episodes
  bind(options, actor.bindings() + sampling.bindings() +
                    Bindings{{"written_share", &written_share},
                             {"divergence", &divergence},
                             {"actions", &actions}} +
                    jsd.bindings() + imitation.bindings() + memory.bindings());
  require_one_of(divergence, {"forward_kl", "reverse_kl", "jsd"}, options, "divergence");
  require(divergence == "jsd" || !(options.has("beta") || options.has("scale")), options,
          "divergence: jsd where beta or scale is set");
  require(written_share >= 0 && written_share < 1, options, "0 <= written_share < 1");
  actor.check(options);
  sampling.check(options);
  jsd.check(options);
  imitation.check(options);
  memory.check(options);

  const ComponentSpec term = divergence == "jsd"
                                 ? generalized_jsd(jsd)
                                 : ComponentSpec(divergence, options_of(jsd.divergence.bindings()));
  const Value writer = to_options(ComponentSpec("speculative", options_of(actor.bindings())));
  RolloutOptions rollout{.actor = writer, .sampling = sampling};
  MixOptions mix{.student_fraction = {1 - written_share, 1 - written_share},
                 .per = "example",
                 .sampling = sampling,
                 .actor = writer};
  const AgentSpec agent{
      .source = written_share == 0 ? ComponentSpec("rollout", options_of(rollout.bindings()))
                                   : ComponentSpec("mix", options_of(mix.bindings())),
      .actions = component(actions),
      .memory = {"on_policy", options_of(memory.bindings())},
      .learners = {{.objectives = {{{"imitation", options_of(imitation.bindings())},
                                    {{{term, -1}}}}}}},
  };
  return {.stages = {{"speculative", agent}}};
}

}  // namespace distill
