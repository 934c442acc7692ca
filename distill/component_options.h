#pragma once

/// The options of every component a method may name: default, meaning and range of each. Whoever
/// makes the component binds them with `bound`; `check_components` binds them without making it.

#include <cstdint>
#include <optional>
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
  Value actor = "student";  // an actor: a name, or a map of name and options
  int64_t group_size = 1;   // episodes that begin alike, one after another
  SamplingOptions sampling = {};

  Bindings bindings();
  void check(const Options& options) const;
};

/// `mix`: the student's own responses and others.
struct MixOptions {
  Ramp student_fraction = {1, 1};  // share of the student's own, in [0, 1]
  std::string per = "batch";       // what is drawn as one: a whole "batch", or each "example"
  std::string first = "dataset";   // who writes the others: the "dataset" or the "teacher"
  SamplingOptions sampling = {};   // how the student, and the teacher, write
  Value actor = "student";         // who answers in the student's place, as of `rollout`

  Bindings bindings();
  void check(const Options& options) const;
};

/// `pairs`: the student's own response to every prompt, and another one.
struct PairsOptions {
  std::string first = "dataset";  // who writes the other one: the "dataset" or the "teacher"
  SamplingOptions sampling = {};  // how the student, and the teacher, write

  Bindings bindings();
  void check(const Options& options) const;
};

/// `adaptive_mix`: written responses, and the student's own by a share that grows whenever the held-out loss
/// has risen; its own are written anew, or drawn from those it wrote before.
struct AdaptiveMixOptions {
  double share = 0;         // of the student's own, before the loss has risen, in [0, 1]
  double share_step = 0.1;  // added whenever it has risen, > 0
  double tolerance = 0.1;   // by how much it must have risen, >= 0; text: in nats per token
  std::string schedule =
      "decreasing";         // how much of the share is written anew: all at first, nothing
                            // at last; or "constant" (half), "increasing"
  int64_t capacity = 1000;  // responses kept
  std::string variant =
      "code";  // or "paper": the loss is compared with the one before, and what is
               // learned from is always drawn
  SamplingOptions sampling = {};

  Bindings bindings();
  void check(const Options& options) const;
};

/// `mixed_pairs`: written responses, of which some are mixed with another one.
struct MixedPairsOptions {
  double mixed_share = 0.5;  // of the rows that are mixed, the "second" of a mixture, in [0, 1]
  double beta_shape = 0.4;   // a of Beta(a, a), where a text's share of its mixture comes from, > 0

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

// Actors: who answers.

/// `student`, `teacher`: the one or the other.
struct PlainActorOptions {
  Bindings bindings() { return {}; }
  void check(const Options&) const {}
};

/// `mixture`: each token is drawn from a mixture of the student's and the teacher's distribution.
struct MixtureActorOptions {
  double teacher_share = 0.2;  // of the mixture, in [0, 1]

  Bindings bindings();
  void check(const Options& options) const;
};

/// `speculative`: the student proposes each token; the teacher replaces those that it does not rank high.
struct SpeculativeActorOptions {
  int64_t k = 25;            // a token stands that is among so many of the teacher's likeliest
  int64_t decay_tokens = 0;  // of an answer, over which k falls to 1; 0: it stays
  int64_t draft_tokens =
      5;  // proposed before the teacher looks; the text is the same for any number
  /// How the teacher replaces a token: replace_temperature, replace_top_k, ...
  SamplingOptions replace = {.temperature = 0.2, .top_p = 0.5};

  Bindings bindings();
  void check(const Options& options) const;
};

// Judges: whose opinion of a state's actions counts.

/// `adapted_teacher`: the stage's teacher with the low-rank modules that "teacher_modules" trains.
struct AdaptedTeacherOptions {
  int64_t rank = 32;  // of the modules, on the query and value projections of every layer
  double scale = 1;   // of what they add, > 0

  Bindings bindings();
  void check(const Options& options) const;
};

/// `teacher`: the stage's teacher.
struct TeacherJudgeOptions {
  Bindings bindings() { return {}; }
  void check(const Options&) const {}
};

/// `self`: the student after another prompt, with a text that the student does not see.
struct SelfJudgeOptions {
  std::string teacher = "frozen";  // the student at the start, its moving "average", or "live"
  double average_share = 0.05;     // of teacher: average, taken of the student at every update, in
                                   // (0, 1]

  Bindings bindings();
  void check(const Options& options) const;
};

/// `student`: the student as it is now, for learners that follow it.
struct StudentJudgeOptions {
  Bindings bindings() { return {}; }
  void check(const Options&) const {}
};

/// `reference`: the student (a soft prompt, where that learns) as it was before it learned, or a model from a
/// folder.
struct ReferenceJudgeOptions {
  std::string path;  // folder of a model; empty: the student as it was

  Bindings bindings() { return {{"path", &path}}; }
  void check(const Options&) const {}
};

/// `repaired_teacher`: the stage's teacher, whose layers that matter little the student repairs.
struct RepairedTeacherOptions {
  std::string update = "modules";  // what repairs a layer: "modules" on it that learn, or "average"
                                   // with the student's layer
  int64_t alternate_every = 50;    // updates of a turn: the student's, the repair's, ...
  double saliency_threshold = 1e-4;  // of |theta dL/dtheta|, above which a parameter counts, >= 0
  double repair_below = 0.5;         // share of such parameters below which a layer is repaired, in
                                     // [0, 1]
  double keep = 0.9;                 // of update: average, the teacher's own share, in [0, 1)
  AdaptedTeacherOptions modules;     // of update: modules

  Bindings bindings();
  void check(const Options& options) const;
};

/// `teachers`: several teachers as one; their probabilities are mixed.
struct TeachersJudgeOptions {
  std::string weights = "even";  // or of a "gate", or of a "selector" that takes some
  std::string per = "example";   // of a gate: weights for each "token" or "example"
  int64_t hidden = 0;            // of a gate or selector: width of its hidden layer; 0: none
  int64_t warm_up = 0;           // of a selector: first examples for which all are taken

  Bindings bindings();
  void check(const Options& options) const;
};

/// `foreign_teacher`: the stage's teacher, which has a tokenizer of its own.
struct ForeignTeacherJudgeOptions {
  std::string align = "bytes";     // tokens of the same "bytes", or the n-th of both ("positions")
  std::string merge = "bayesian";  // several tokens as one: at the last ("bayesian") or "observed"
  double teacher_temperature = 1;  // > 0

  Bindings bindings();
  void check(const Options& options) const;
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

/// `inverse_bellman`: the reward under which a judge's logits are the best values of actions.
struct InverseBellmanOptions {
  Value judge = "teacher";     // a judge: a name, or a map of name and options
  std::string value = "hard";  // of a state: the largest Q ("hard"), the mean of Q under softmax(Q)
                               // ("expectation"), or e logsumexp(Q / e) ("soft")
  double entropy = 1;          // e of soft values, > 0
  std::string gauge = "raw";   // logits to Q: "raw", "centered" (mean 0) or "log_softmax"
  double gamma = 1;            // discount, in [0, 1]; the loss's own
  int64_t steps = 1;  // of a block: rewards that sum to the return of blocks of so many steps

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

/// `sampled`: drawn from the teacher with replacement, with the share of the draws as its probability: an
/// estimate without bias for the forward KL alone.
struct SampledOptions {
  int64_t draws = 50;  // per state

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

/// `on_policy`, of more than an update takes.
struct OnPolicyMemoryOptions {
  OnPolicyOptions memory = {};
  int64_t episodes = 0;  // collected at a time; 0: as many as an update takes

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

/// `log_prior`: the teacher's log-probability of the token taken.
struct LogPriorOptions {
  Bindings bindings() { return {}; }
  void check(const Options&) const {}
};

/// `forward_kl`, `reverse_kl`, `total_variation`, `cross_entropy` (the forward KL and the teacher's entropy):
/// between the teacher's and the policy's opinion of a state's actions.
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
  DivergenceOptions divergence = {};

  Bindings bindings();
  void check(const Options& options) const;
};

/// `skew_kl`: the forward KL to a mixture of the two.
struct SkewKlOptions {
  double alpha = 0.1;  // the teacher's share of the mixture, 0 <= alpha < 1
  DivergenceOptions divergence = {};

  Bindings bindings();
  void check(const Options& options) const;
};

/// `skew_reverse_kl`: the reverse KL to a mixture of the two.
struct SkewReverseKlOptions {
  double alpha = 0.1;           // the policy's share of the mixture, 0 <= alpha < 1
  bool detach_mixture = false;  // the policy inside the mixture counts as a constant
  DivergenceOptions divergence = {};

  Bindings bindings();
  void check(const Options& options) const;
};

/// `alpha_beta`: the alpha-beta divergence; (1, 0) is the forward KL, (0, 1) the reverse KL.
struct AlphaBetaOptions {
  double alpha = 0.2;  // exponent of the teacher: stresses where the two differ much
  double beta = 0.7;   // exponent of the policy: stresses what it finds likely
  DivergenceOptions divergence = {};

  Bindings bindings();
  void check(const Options& options) const;
};

/// `akl`: forward and reverse KL, weighed by where the two differ.
struct AklOptions {
  double mu = 0.5;  // the teacher's probability that makes up the head, in [0, 1]
  DivergenceOptions divergence = {};

  Bindings bindings();
  void check(const Options& options) const;
};

/// `ranking`: how little teacher and policy agree on the order of the tokens that either finds likely: 1 -
/// the correlation of their soft ranks, in [0, 2].
struct RankingOptions {
  int64_t k = 5;  // likeliest tokens of each side that are compared

  Bindings bindings();
  void check(const Options& options) const;
};

/// `overlapping`: a divergence, times the share of the k likeliest tokens that both sides have.
struct OverlappingOptions {
  int64_t k = 5;
  Value divergence = "forward_kl";  // a divergence: a name, or a map of name and options

  Bindings bindings();
  void check(const Options& options) const;
};

/// `mse_logits`: the mean over the vocabulary of the squared difference to the teacher's logits.
struct MseLogitsOptions {
  Bindings bindings() { return {}; }
  void check(const Options&) const {}
};

// Losses: how it is learned.

/// `imitation`: the reward itself is differentiated.
struct ImitationOptions {
  std::string average = "tokens";  // or "sequences": each its own mean first

  Bindings bindings();
  void check(const Options& options) const;
};

/// `imitation`, of what somebody else did.
struct WeighedImitationOptions {
  ImitationOptions imitation = {};
  bool importance =
      false;  // steps are weighed by the probability ratio of the student to who acted

  Bindings bindings();
  void check(const Options& options) const;
};

/// `contrast`: imitation of one side of a contrast, see rl/losses/contrast.h.
struct ContrastOptions {
  std::string average = "sequences";  // or "tokens"
  std::string writer = "teacher";     // whose responses they are, in a curriculum: or "student"
  Ramp factor = {1, 1};               // of the loss, >= 0
  double factor_share = 1;            // of the training, after which the factor stays, in (0, 1]
  bool curriculum = false;            // the share of the mixture follows how much the two differ
  double largest_skew = 0.1;          // of the curriculum: that share's largest value, in [0.01, 1)

  Bindings bindings();
  void check(const Options& options) const;
};

/// `aligned`: a distance to a teacher of other tokens, where both can be compared.
struct AlignedOptions {
  std::string distance = "hybrid";  // or "sorted": probabilities by rank alone
  double beta = 0.5;                // of hybrid: the teacher's share of the mixture, 0 < beta < 1
  /// Of hybrid: weight of the tokens that both have, in [0, 1]; absent: their share of the teacher's.
  std::optional<double> matched_weight = std::nullopt;
  double student_temperature = 1;     // > 0
  std::string average = "sequences";  // or "tokens"

  Bindings bindings();
  void check(const Options& options) const;
};

/// `taid`: imitation of a target between the policy and the teacher.
struct TaidOptions {
  double t_start = 0.4;    // the teacher's share of the target at first, 0 <= t_start <= t_end
  double t_end = 1;        // and at last, at most 1
  double alpha = 5e-4;     // how far a step may go beyond the straight line, >= 0; 0: not at all
  double momentum = 0.99;  // of how the loss falls, in [0, 1)
  std::string average = "tokens";  // or "sequences"
  DivergenceOptions divergence = {};

  Bindings bindings();
  void check(const Options& options) const;
};

/// `pair_likelihood`: of both texts of a mixture, by their shares.
struct PairLikelihoodOptions {
  Bindings bindings() { return {}; }
  void check(const Options&) const {}
};

/// `mixture_likelihood`: a gate over teachers by the likelihood of the tokens taken.
struct MixtureLikelihoodOptions {
  Bindings bindings() { return {}; }
  void check(const Options&) const {}
};

/// `subset_gradient`: who of the teachers is taken, by what that was worth to the student.
struct SubsetGradientOptions {
  double own_share = 1;         // of the worth; the rest is exp(-held-out loss), in [0, 1]
  double baseline_decay = 0.9;  // of the moving average of the worth, in [0, 1)
  int64_t warm_up = 0;          // first examples for which all teachers are taken

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
  bool own_steps = false;              // those of a mixture's second source are the student's own
  bool chi2_on_own = false;            // the regulariser also at the student's own steps

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

/// `policy_gradient`, with what rewards of every token ask for.
struct TokenGradientOptions {
  PolicyGradientOptions gradient = {};
  bool ratio = false;              // without clip: the probability ratio in place of log q
  bool include_current = true;     // without a baseline: returns hold what the step itself earns
  bool length_normalized = false;  // without a baseline: returns are means over the steps they sum
  double reward_clip = 0;          // of what a step earns, >= 0; 0: none
  double advantage_clip = 0;       // of what a step is learned by, >= 0; 0: none
  bool normalize_padding = false;  // of normalize: count padding too, as zeros

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

/// The temperature at which a reward term asks for the teacher's opinion; nothing if it asks for none.
std::optional<double> teacher_temperature(const ComponentSpec& reward_term);

/// What a loss asks of the rest of its agent.
struct LossFacts {
  std::optional<std::string> average = std::nullopt;  // "tokens" or "sequences"; nothing: either
  std::optional<double> teacher_temperature =
      std::nullopt;             // nothing: it does not ask for the teacher's opinion
  bool includes_taken = false;  // the action taken must be on offer
};
LossFacts facts_of(const ComponentSpec& loss);

/// What components need to know of the training they are part of.
struct TrainingFacts {
  int64_t evaluate_every = 0;  // updates; 0: at the end only
  int64_t batch_size = 0;
};

/// Checks that a training gives every component of a method what it needs.
///
/// @param mark where the method was named.
/// @throws ConfigError that names the component and the key.
void check_training(const MethodSpec& method, const TrainingFacts& training, const Mark& mark);

/// Whether the agent asks several teachers.
bool takes_teachers(const AgentSpec& agent);

/// Whether the agent's teacher has a tokenizer of its own.
bool has_foreign_teacher(const AgentSpec& agent);

/// Whether the agent turns by what is measured on held-out data.
bool watches_held_out(const AgentSpec& agent);

/// Checks that every component of a method exists and takes its options.
///
/// @throws ConfigError that names the component or the option.
void check_components(const MethodSpec& method);

}  // namespace distill
