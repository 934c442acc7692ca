#pragma once

/// The options of every component a method may name: default, meaning and range of each. Whoever
/// makes the component binds them with `bound`; `check_components` binds them without making it.

#include <cstdint>
#include <string>
#include <vector>

#include "distill/options.h"
#include "distill/spec.h"

namespace distill {

/// How a token is drawn from a policy.
struct SamplingOptions {
  double temperature = 1;  // 0: the likeliest token
  int64_t top_k = 0;       // keep the likeliest; 0: all
  double top_p = 1;        // keep the likeliest up to this mass, 0 < top_p <= 1
  double min_p = 0;        // keep what is at least this share of the likeliest, 0 <= min_p < 1

  Bindings bindings();
  void check(const Options& options) const;
};

// Sources: who visits the states.

/// `dataset`: written responses.
struct DatasetOptions {
  Bindings bindings() { return {}; }
  void check(const Options&) const {}
};

/// `groups`: labelled texts, several to an episode so that they can be compared.
struct GroupsOptions {
  int64_t size = 32;  // texts of an episode

  Bindings bindings();
  void check(const Options& options) const;
};

/// `rollout`: an actor answers the prompts.
struct RolloutOptions {
  std::string actor = "student";  // or "teacher"
  int64_t group_size = 1;         // episodes that begin alike, one after another
  SamplingOptions sampling;

  Bindings bindings();
  void check(const Options& options) const;
};

/// `mix`: written responses and the student's own.
struct MixOptions {
  Ramp student_fraction = {1, 1};  // share of the student's own, in [0, 1]
  std::string per = "batch";       // what is drawn as one: a whole "batch", or each "example"
  SamplingOptions sampling;

  Bindings bindings();
  void check(const Options& options) const;
};

/// `segments`: pieces of episodes of small worlds that restart by themselves.
struct SegmentsOptions {
  int64_t worlds = 8;              // that run side by side
  int64_t steps = 128;             // of each world per piece
  std::string explore = "sample";  // from the policy, or any action with probability "epsilon"
  Ramp epsilon = {1, 0.05};        // of explore: epsilon; both ends in [0, 1]
  double explore_share = 0.1;      // of the training, after which epsilon stays, in (0, 1]

  Bindings bindings();
  void check(const Options& options) const;
};

// Judges: whose opinion of a state's actions counts.

/// `teacher`: the stage's teacher.
struct TeacherJudgeOptions {
  Bindings bindings() { return {}; }
  void check(const Options&) const {}
};

/// `student`: the student as it is now, for learners that follow it.
struct StudentJudgeOptions {
  Bindings bindings() { return {}; }
  void check(const Options&) const {}
};

/// `reference`: the soft prompt as it was before the stage.
struct ReferenceJudgeOptions {
  Bindings bindings() { return {}; }
  void check(const Options&) const {}
};

// Payers: what is paid for whole trajectories.

/// `intended_label`: a classifier's log-probability of the label that a text was asked for, at its end.
struct IntendedLabelOptions {
  Bindings bindings() { return {}; }
  void check(const Options&) const {}
};

/// `length_outside`: 1 at the end of a text of fewer or more tokens.
struct LengthOutsideOptions {
  int64_t shortest = 3;  // tokens, the end included
  int64_t longest = 64;  // tokens, >= shortest

  Bindings bindings();
  void check(const Options& options) const;
};

/// `log_ratio`: the actor's log-probability of each action taken less a judge's; its mean is their KL.
struct LogRatioOptions {
  Value judge = "reference";  // a judge: a name, or a map of name and options

  Bindings bindings();
  void check(const Options& options) const;
};

/// `self_bleu`: the BLEU of a text against the others of the batch, at its end.
struct SelfBleuOptions {
  int64_t order = 3;  // longest sequences of tokens that are compared

  Bindings bindings();
  void check(const Options& options) const;
};

/// `log_likelihood_of`: a judge's log-probability of each action taken, over all actions.
struct LogLikelihoodOfOptions {
  Value judge = "teacher";  // a judge: a name, or a map of name and options

  Bindings bindings();
  void check(const Options& options) const;
};

// Actions: which of the vocabulary a state offers.

/// `all`: the whole vocabulary.
struct AllActionsOptions {
  Bindings bindings() { return {}; }
  void check(const Options&) const {}
};

/// `top_k`: the teacher's likeliest.
struct TopKOptions {
  int64_t k = 50;  // slots

  Bindings bindings();
  void check(const Options& options) const;
};

/// `top_p`: the fewest of the teacher's likeliest that reach a mass.
struct TopPOptions {
  double p = 0.8;            // mass, 0 < p <= 1
  int64_t max_actions = 64;  // slots; more are cut off

  Bindings bindings();
  void check(const Options& options) const;
};

// Memory: what is learned from.

/// `on_policy`: what was just collected.
struct OnPolicyOptions {
  int64_t epochs = 1;  // times that each is learned from before it is forgotten

  Bindings bindings();
  void check(const Options& options) const;
};

/// `replay`: drawn from the last episodes.
struct ReplayOptions {
  int64_t capacity = 1000;   // episodes, or pieces, kept
  int64_t megabytes = 0;     // at most so much memory; 0: no limit
  int64_t warm_up = 0;       // episodes that must be there before the first draw
  bool prioritized = false;  // those are drawn more often about which the student was more wrong
  double alpha = 0.6;        // of prioritized: exponent of the error, >= 0
  Ramp beta = {0.4, 1};      // of prioritized: exponent of the correcting weights, in [0, 1]

  Bindings bindings();
  void check(const Options& options) const;
};

// Targets: a network that slowly follows the one that learns.

/// `none`.
struct NoTargetOptions {
  Bindings bindings() { return {}; }
  void check(const Options&) const {}
};

/// `copy`: taken over now and then.
struct CopyTargetOptions {
  int64_t every = 500;  // updates

  Bindings bindings();
  void check(const Options& options) const;
};

/// `average`: drawn towards the learning one at every update.
struct AverageTargetOptions {
  double share = 0.005;  // in (0, 1]

  Bindings bindings();
  void check(const Options& options) const;
};

// Rewards: what a token is worth.

/// `log_likelihood`: the policy's log-probability of the token taken.
struct LogLikelihoodOptions {
  Bindings bindings() { return {}; }
  void check(const Options&) const {}
};

/// `forward_kl`, `reverse_kl`: between the teacher's and the policy's opinion of a state's actions.
struct DivergenceOptions {
  std::string tail = "lump";       // the mass outside the set: "lump", "drop" or "support"
  double teacher_temperature = 1;  // > 0
  double student_temperature = 1;  // > 0
  bool scale_by_t2 = false;        // times teacher_temperature * student_temperature

  Bindings bindings();
  void check(const Options& options) const;
};

/// `jsd`: the generalised Jensen-Shannon divergence.
struct JsdOptions {
  double beta = 0.5;   // the teacher's share of the mixture, 0 < beta < 1
  bool scale = false;  // divided by beta (1 - beta): continuous into both KLs
  DivergenceOptions divergence;

  Bindings bindings();
  void check(const Options& options) const;
};

// Losses: how it is learned.

/// `imitation`: the reward itself is differentiated.
struct ImitationOptions {
  std::string average = "tokens";  // or "sequences": each its own mean first

  Bindings bindings();
  void check(const Options& options) const;
};

/// `relation`: how alike the student finds the texts of a group is drawn to how alike the teacher does.
struct RelationOptions {
  double teacher_temperature = 0.1;  // of the teacher's similarities, > 0
  double student_temperature = 0.1;  // of the student's, > 0

  Bindings bindings();
  void check(const Options& options) const;
};

/// `soft_td`: the logits are soft Q-values of an inverse problem.
struct SoftTdOptions {
  double gamma = 0.99;                 // discount, in [0, 1]
  double alpha = 0.1;                  // scale of the reward's regulariser, > 0
  bool chi2 = true;                    // the regulariser: implied reward squared / (4 alpha)
  std::string gauge = "max_shift";     // logits to Q: "max_shift", "log_softmax" or "raw"
  double q_min = -10;                  // Q is clipped from below; gauges "max_shift", "log_softmax"
  std::string tail = "drop";           // the mass outside the set: "drop", "lump" or "support"
  std::string out_of_set = "include";  // a token outside the set is given a slot ("include"), its
                                       // step left out ("exclude"), or taken for the "tail"
  double entropy = 1;                  // temperature e of V = e logsumexp(Q / e), > 0
  double demonstrated_share =
      1;                     // of the steps learned from, as they are mixed, in (0, 1]; the others
                             // are the student's own
  bool chi2_on_own = false;  // the regulariser also at the student's own steps

  Bindings bindings();
  void check(const Options& options) const;
};

/// `td`: the logits are Q-values and follow rewards and the values of later states.
struct TdOptions {
  double gamma = 0.99;       // discount, in [0, 1]
  double entropy = 0;        // temperature of soft values, >= 0; 0: greedy ones
  bool double_q = false;     // the student picks the action that the target network values
  double huber_delta = 1.0;  // >= 0; 0: squared errors
  double random_share = 0;   // expected SARSA: of later actions, taken at random, in [0, 1]
  int64_t n_steps = 1;       // rewards before a value
  std::optional<double> lambda = std::nullopt;  // lambda returns in place of n steps, in [0, 1]
  std::string bootstrap = "target";  // whose values: "target", or the student's: "detached", "live"
  bool sqil = false;                 // demonstrations earn 1, own steps 0, whatever the world pays
  double demonstrated_share = 0.5;   // of sqil: of the steps learned from, as they are mixed

  Bindings bindings();
  void check(const Options& options) const;
};

/// `policy_gradient`: actions that did better than a baseline become likelier.
struct PolicyGradientOptions {
  double gamma = 0.99;             // discount, in [0, 1]
  double lambda = 0.95;            // of the generalised advantage, in [0, 1]
  std::string baseline = "value";  // or "none", "batch", "group", "leave_one_out"
  int64_t group_size = 1;          // episodes that begin alike
  double clip = 0;                 // of the probability ratio, >= 0; 0: none
  double importance_clip = 0;      // largest weight of stale steps, >= 0; 0: no weights
  double value_clip = 0;           // of the value's change, >= 0; 0: none
  double value_coefficient = 0.5;  // of the squared value error, >= 0
  double entropy_coefficient = 0;  // of the entropy bonus, >= 0
  bool normalize = true;           // advantages to deviation 1
  double max_kl = 0;               // from who acted, after which the rest is let go, >= 0; 0: never

  Bindings bindings();
  void check(const Options& options) const;
};

/// A component's options from a specification, checked.
///
/// @throws ConfigError for unknown keys, wrong types and ranges.
template <class T>
T bound(const Options& options) {
  T out;
  bind(options, out.bindings());
  out.check(options);
  return out;
}

/// The term of JSD(beta), which ends in `forward_kl` at beta = 0 and `reverse_kl` at beta = 1.
ComponentSpec generalized_jsd(JsdOptions options);

/// Checks that every component of a method exists and takes its options.
///
/// @throws ConfigError that names the component or the option.
void check_components(const MethodSpec& method);

}  // namespace distill
