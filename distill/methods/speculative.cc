// Speculative knowledge distillation: the student writes as long as the teacher finds its tokens likely, and
// the teacher replaces the others.
//
// Agent:  the student proposes, the teacher replaces what is not among its k likeliest; by `written_share` the
//         dataset.
// Reward: minus a divergence to the teacher at every token, whoever wrote it; differentiated (gamma = 0).
// Source: Xu et al. 2025, "Speculative Knowledge Distillation: Bridging the Teacher-Student Gap Through
//         Interleaved Sampling", arXiv:2410.11325.

#include "distill/methods/methods.h"
#include "distill/methods/parts.h"

namespace distill {

MethodSpec speculative(const Options& options) {
  SpeculativeActorOptions actor;  // k, decay_tokens, draft_tokens, replace_temperature, ...
  SamplingOptions sampling{.temperature = 0.5, .top_p = 0.5};  // how the student proposes
  double written_share = 0;    // of the rows that are written responses, in [0, 1)
  NamedDivergence to_teacher;  // divergence; beta, scale (divergence: jsd); tail and temperatures
  Value actions = "all";       // the set that the divergence is taken on
  ImitationOptions imitation{.average = "sequences"};
  OnPolicyMemoryOptions memory;  // epochs, episodes
  bind(options, actor.bindings() + sampling.bindings() +
                    Bindings{{"written_share", &written_share}, {"actions", &actions}} +
                    to_teacher.bindings() + imitation.bindings() + memory.bindings());
  require(written_share >= 0 && written_share < 1, options, "0 <= written_share < 1");
  actor.check(options);
  sampling.check(options);
  to_teacher.check(options);
  imitation.check(options);
  memory.check(options);

  const ComponentSpec writer("speculative", options_of(actor.bindings()));
  const AgentSpec agent{
      .source = beside_written(written_share, writer, sampling),
      .actions = component(actions),
      .memory = {"on_policy", options_of(memory.bindings())},
      .learners = {{.objectives = {{{"imitation", options_of(imitation.bindings())},
                                    {{{to_teacher.term(), -1}}}}}}},
  };
  return {.stages = {{"speculative", agent}}};
}

}  // namespace distill
