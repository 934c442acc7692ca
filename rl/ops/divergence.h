#pragma once

/// Divergences between a prior p and a policy q, on all actions or on a set of them.
///
/// Every function takes log-probabilities on the same K actions, log_p and log_q of shape
/// float32[..., K], optionally the log-probability of one further action that stands for everything
/// outside the set (`log_p_tail`, `log_q_tail`, float32[...], both or neither), and returns
/// float32[...], in nats. It sums over what it is given and renormalises nothing: which
/// distributions are compared is decided by `compare_on_set`.
///
/// An action of probability 0 has log-probability -inf; a slot that is empty has it on both sides
/// and contributes nothing. Where only one side is -inf, its log-probability counts as `kLogZero`: a
/// divergence that is infinite in truth comes out huge but finite. No entry of -inf ever receives a
/// gradient. Gradients flow into both arguments; detach the side that is a constant.
///
/// Half-precision arguments are computed in float32.

#include "rl/tensor.h"

namespace rl::ops {

/// Stands for the logarithm of 0: below every log-probability that logits within +-1e4 can have, and
/// its exponential is 0.
inline constexpr double kLogZero = -1e5;

/// D(p || q) = sum_a p(a) (log p(a) - log q(a)). With respect to the policy's logits it is the
/// all-action policy gradient for the advantage p/q.
Tensor forward_kl(const Tensor& log_p, const Tensor& log_q, const Tensor& log_p_tail = {},
                  const Tensor& log_q_tail = {});

/// D(q || p), the direction that seeks modes. Advantage: log p - log q.
Tensor reverse_kl(const Tensor& log_p, const Tensor& log_q, const Tensor& log_p_tail = {},
                  const Tensor& log_q_tail = {});

/// beta D(p || m) + (1 - beta) D(q || m) with m = beta p + (1 - beta) q; `scale` divides it by
/// beta (1 - beta). Advantage: (1 - beta) (log m - log q).
///
/// Unscaled it vanishes at both ends: it approaches beta D(p || q) as beta -> 0 and
/// (1 - beta) D(q || p) as beta -> 1. Scaled it runs from the forward KL at 0 to the reverse KL at 1.
///
/// Source: Agarwal et al. 2024, arXiv:2306.13649, equation 1; beta is the weight of the prior.
///
/// @throws std::invalid_argument unless 0 < beta < 1, or 0 <= beta <= 1 when scaled.
Tensor generalized_jsd(const Tensor& log_p, const Tensor& log_q, double beta, bool scale,
                       const Tensor& log_p_tail = {}, const Tensor& log_q_tail = {});

/// D(p || alpha p + (1 - alpha) q), bounded by -log(alpha). alpha = 0 is `forward_kl`.
/// Advantage: (1 - alpha) p / (alpha p + (1 - alpha) q).
///
/// Source: Ko et al. 2024, arXiv:2402.03898, skew KL divergence.
///
/// @throws std::invalid_argument unless 0 <= alpha < 1.
Tensor skew_kl(const Tensor& log_p, const Tensor& log_q, double alpha,
               const Tensor& log_p_tail = {}, const Tensor& log_q_tail = {});

/// D(q || (1 - alpha) p + alpha q), bounded by -log(alpha). alpha = 0 is `reverse_kl`.
/// Advantage: log m - log q + alpha q / m; with a detached mixture m: log m - log q.
///
/// Source: Ko et al. 2024, arXiv:2402.03898, skew reverse KL divergence; the detached mixture as in
/// the code of Ko et al. 2025, arXiv:2503.07067.
///
/// @param detach_mixture treats q inside the mixture as a constant: the same value, another gradient.
/// @throws std::invalid_argument unless 0 <= alpha < 1.
Tensor skew_reverse_kl(const Tensor& log_p, const Tensor& log_q, double alpha, bool detach_mixture,
                       const Tensor& log_p_tail = {}, const Tensor& log_q_tail = {});

/// 1/2 sum_a |p(a) - q(a)|, with gradient 0 where the two are equal.
/// Advantage: 1/2 sign(p - q).
Tensor total_variation(const Tensor& log_p, const Tensor& log_q, const Tensor& log_p_tail = {},
                       const Tensor& log_q_tail = {});

/// Alpha-beta divergence: a family that holds the forward KL at (1, 0) and the reverse KL at (0, 1), defined
/// for measures that do not sum to 1 too:
///
///     -1 / (a b) sum [ p^a q^b - a / (a + b) p^(a + b) - b / (a + b) q^(a + b) ],  a = alpha, b = beta,
///
/// and its limits where a, b or a + b is 0; near them it is as precise as elsewhere. Powers beyond exp(40),
/// which only negative exponents reach, are cut there.
/// Advantage: q^(b - 1) (p^a - q^a) / a, at a = 0 q^(b - 1) (log p - log q).
///
/// Source: Wang et al. 2025, arXiv:2505.04560; Cichocki, Cruces & Amari 2011, doi:10.3390/e13010134.
///
/// @throws std::invalid_argument unless alpha and beta are finite.
Tensor alpha_beta(const Tensor& log_p, const Tensor& log_q, double alpha, double beta,
                  const Tensor& log_p_tail = {}, const Tensor& log_q_tail = {});

/// w D(p || q) + (1 - w) D(q || p) with w = g_h / (g_h + g_t), the share of the difference sum |p - q| that
/// the prior's head has; the head is the likeliest action and all whose cumulative prior probability,
/// likeliest first, is at most `mu`. The weights are constants, 1/2 where p = q.
/// Advantage: w p / q + (1 - w) (log p - log q).
///
/// Source: Wu et al. 2024, arXiv:2404.02657, adaptive Kullback-Leibler divergence.
///
/// @throws std::invalid_argument unless 0 <= mu <= 1.
Tensor akl(const Tensor& log_p, const Tensor& log_q, double mu, const Tensor& log_p_tail = {},
           const Tensor& log_q_tail = {});

/// The skew divergences with a share of the mixture of each state's own.
///
/// @param alpha float32[...], in (0, 1), a constant.
Tensor skew_kl(const Tensor& log_p, const Tensor& log_q, const Tensor& alpha,
               const Tensor& log_p_tail = {}, const Tensor& log_q_tail = {});
Tensor skew_reverse_kl(const Tensor& log_p, const Tensor& log_q, const Tensor& alpha,
                       bool detach_mixture, const Tensor& log_p_tail = {},
                       const Tensor& log_q_tail = {});

/// -sum_a p_t(a) log q(a) with p_t proportional to q^(1 - t) p^t, the interpolation of both sides' logits, a
/// constant: the gradient with respect to the policy's logits is q - p_t. A cross-entropy: at p_t = q it is
/// the entropy of q.
///
/// Source: Shing et al. 2025, arXiv:2501.16937.
///
/// @param t in [0, 1].
Tensor interpolated_cross_entropy(const Tensor& log_p, const Tensor& log_q, double t,
                                  const Tensor& log_p_tail = {}, const Tensor& log_q_tail = {});

/// What becomes of the probability that lies outside a set A of actions.
enum class Tail {
  /// It is one further action. The exact gradient of the mass on A; a lower bound of the divergence
  /// over all actions; 0 exactly where p = q on A and outside in sum.
  lump,
  /// Both sides are renormalised on A. Blind to the policy's mass outside.
  drop,
  /// `drop`, plus -log of the policy's mass on A. With the forward KL it equals
  /// `teacher_renormalised`: biased, for its gradient is not 0 at p = q.
  support,
  /// The sum over A of full-softmax probabilities. Biased: no divergence, it can be negative.
  truncated,
  /// The prior renormalised on A, and 0 outside, against the policy over all actions. Biased: its
  /// targets are too large. Infinite for the reverse KL.
  teacher_renormalised,
};

/// Two policies as a convention compares them, ready for any divergence.
struct Comparison {
  Tensor log_p, log_q;            // float32[..., K]
  Tensor log_p_tail, log_q_tail;  // float32[...]; undefined: there is no further action
  Tensor penalty;                 // float32[...], to be added to the divergence; undefined: nothing
};

/// Turns full-softmax log-probabilities on a set into what a convention compares.
///
/// @param log_p, log_q float32[..., K], normalised over *all* actions; -inf on empty slots.
/// @param log_p_tail, log_q_tail float32[...], log of the mass outside the set, computed as a
///     log-sum-exp over what lies outside (1 - sum loses it in float32 when the set holds nearly
///     everything); -inf where nothing lies outside. Undefined: the set holds every action.
///     `drop`, `support` and `truncated` do not use them.
Comparison compare_on_set(const Tensor& log_p, const Tensor& log_q, const Tensor& log_p_tail,
                          const Tensor& log_q_tail, Tail tail);

/// A divergence chosen at run time.
struct Divergence {
  enum class Kind {
    forward_kl,
    reverse_kl,
    jsd,
    skew_kl,
    skew_reverse_kl,
    total_variation,
    alpha_beta,
    akl
  };
  Kind kind = Kind::forward_kl;
  /// Of jsd: weight of the prior in the mixture. Of alpha_beta: the policy's exponent.
  double beta = 0.5;
  bool scale = false;  // of jsd: divide by beta (1 - beta)
  /// Of the skew divergences: share of the other side's mixture. Of alpha_beta: the prior's exponent.
  double alpha = 0.1;
  bool detach_mixture = false;  // of skew_reverse_kl
  double mu = 0.5;              // of akl: mass of the head
};

/// The divergence of two policies, with the penalty where the convention has one: float32[...].
Tensor evaluate(const Divergence& divergence, const Comparison& compared);

/// The divergence of two policies over all actions, from the policy's logits: float32[n]. What
/// `evaluate` gives on their log-softmax; the KLs and the JSD take a third of the passes, for value and
/// gradient are worked out together. The prior is a constant.
///
/// Source of the gradients: dD/dz_j = -q_j (A_j - sum_a q_a A_a) with the advantages named above.
///
/// @param log_p float32[n, V], normalised. @param logits float32[n, V].
Tensor divergence_from_logits(const Divergence& divergence, const Tensor& log_p,
                              const Tensor& logits);

}  // namespace rl::ops
