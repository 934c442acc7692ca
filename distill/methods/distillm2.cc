// DistiLLM-2: a contrast of two responses to every prompt. Where the teacher wrote, the student is pulled up
// to it; where the student wrote, it is pushed down from what the teacher finds unlikely.
//
// Agent:  every prompt is answered by the dataset (or the teacher) and by the student.
// Reward: minus KL(p, a p + (1 - a) q) on the first response, minus KL(q, (1 - a) p + a q) on the
//         second, each in a mean per response, differentiated at every visited state (gamma = 0).
// Source: Ko et al. 2025, "DistiLLM-2: A Contrastive Approach", arXiv:2503.07067.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec distillm2(const Options& options) {
  PairsOptions pairs{.sampling = {.temperature = 0.8}};  // first: "dataset" or "teacher"; sampling
  std::string form = "code";  // weights 2 - beta and beta; or half of 1 - beta and beta: "paper"
  Ramp beta = {1, 1};         // weight of the student's response, in [0, 2]; "paper": in [0, 1]
  double beta_share = 1;      // of the training, after which beta stays, in (0, 1]
  bool curriculum = false;    // alpha follows how much the two differ
  Value actions = "all";      // the set that the divergences are taken on
  SkewReverseKlOptions skew{.detach_mixture = true};  // alpha; the student in the second mixture
  bind(options, Bindings{{"form", &form},
                         {"beta", &beta},
                         {"beta_share", &beta_share},
                         {"curriculum", &curriculum},
                         {"actions", &actions}} +
                    pairs.bindings() + skew.bindings());
  require_one_of(form, {"code", "paper"}, options, "form");
  const double most = form == "code" ? 2 : 1;
  require(beta.from >= 0 && beta.to >= 0 && beta.from <= most && beta.to <= most, options,
          form == "code" ? "0 <= beta <= 2" : "0 <= beta <= 1");
  require(beta_share > 0 && beta_share <= 1, options, "0 < beta_share <= 1");
  require(!curriculum || skew.alpha >= 0.01, options, "alpha >= 0.01 where curriculum is true");
  require_choice(!curriculum, "curriculum: false", options,
                 {"teacher_temperature", "student_temperature"});
  pairs.check(options);
  skew.check(options);

  SkewKlOptions pull{.alpha = skew.alpha, .divergence = skew.divergence};
  ContrastOptions contrast{.factor_share = beta_share, .curriculum = curriculum};
  if (curriculum) contrast.largest_skew = skew.alpha;
  const auto side = [&](const Ramp& factor, const ComponentSpec& divergence, const char* rows) {
    contrast.factor = factor;
    return ObjectiveSpec{{"contrast", options_of(contrast.bindings())},
                         {{{divergence, -1}}},
                         form == "code" ? 1.0 : 0.5,
                         rows};
  };
  const Ramp rest = {most - beta.from, most - beta.to};
  const auto pulled = side(rest, {"skew_kl", options_of(pull.bindings())}, "first");
  contrast.writer = "student";
  const auto pushed = side(beta, {"skew_reverse_kl", options_of(skew.bindings())}, "second");
  const AgentSpec agent{
      .source = {"pairs", options_of(pairs.bindings())},
      .actions = component(actions),
      .learners = {{.objectives = {pulled, pushed}}},
  };
  return {.stages = {{"distillm2", agent}}};
}

}  // namespace distill
