#pragma once

/// Every answer there is: the token decision process of a small vocabulary, written out.
///
/// What is sampled elsewhere is summed up here, exactly and in float64, and can be differentiated.

#include <cstdint>
#include <functional>
#include <vector>

#include "envs/decision_process.h"
#include "rl/tensor.h"

namespace envs {

/// All prefixes of up to `max_length` tokens, level by level: level d holds those of d tokens that
/// have not ended. An answer ends with an end token, or with its max_length-th.
class TokenTree {
 public:
  /// @param end_ids tokens that end an answer; may be empty.
  /// @throws std::invalid_argument for sizes below 1, or a tree of more than 2^22 answers.
  TokenTree(int64_t vocabulary, int64_t max_length, const std::vector<int64_t>& end_ids);

  int64_t vocabulary() const { return vocabulary_; }
  /// Levels on which a token is chosen: `max_length`.
  int64_t levels() const { return static_cast<int64_t>(prefixes_.size()); }
  /// int64[n, level], the prefixes of a level.
  const rl::Tensor& prefixes(int64_t level) const {
    return prefixes_.at(static_cast<size_t>(level));
  }
  /// int64[n, V], the place on the next level that each token leads to; -1 where the answer ends.
  const rl::Tensor& next(int64_t level) const { return next_.at(static_cast<size_t>(level)); }

  /// Every answer, in an order of its own.
  std::vector<std::vector<int64_t>> answers() const;

 private:
  int64_t vocabulary_;
  std::vector<rl::Tensor> prefixes_, next_;
};

/// One tensor for each level of a tree: float64[n, V] of the tokens, or float64[n] of the prefixes.
using ByLevel = std::vector<rl::Tensor>;

/// What a model says of every prefix.
///
/// @param of float[n, V] from int64[n, d] prefixes of d tokens.
ByLevel tabulate(const TokenTree& tree, const std::function<rl::Tensor(const rl::Tensor&)>& of);

/// The tree as a graph: a state for each prefix, named by its tokens ("0 3"; the first is "start"), in the
/// order of the levels, and last "end", where answers end.
///
/// @param reward float64[n, V] by level, paid for each token.
DecisionProcess decision_process(const TokenTree& tree, const ByLevel& reward);

/// The probability of coming to each prefix: float64[n] by level.
///
/// @param log_probs float64[n, V] by level, normalised.
ByLevel reach(const TokenTree& tree, const ByLevel& log_probs);

/// The probability of each answer, float64[answers], in the order of `TokenTree::answers`.
rl::Tensor answer_probabilities(const TokenTree& tree, const ByLevel& log_probs);

/// KL(p, q) between distributions over whole answers, in nats: float64[], with gradient into both.
///
/// It is the expected sum, along an answer of p, of the divergences at its prefixes.
///
/// @param log_p, log_q float64[n, V] by level, normalised.
rl::Tensor sequence_kl(const TokenTree& tree, const ByLevel& log_p, const ByLevel& log_q);

struct SoftSolution {
  ByLevel value;      // float64[n] of each prefix
  ByLevel log_probs;  // float64[n, V] of acting for the value: (Q - V) / temperature
};

/// The best policy for who is paid `reward` and, for each nat of its entropy, `temperature`:
/// Q = r + gamma V(next), V = e logsumexp(Q / e).
///
/// @param reward float64[n, V] by level.
/// @throws std::invalid_argument unless temperature > 0.
SoftSolution solve_soft(const TokenTree& tree, const ByLevel& reward, double gamma,
                        double temperature);

/// The best policy for who is paid `reward` and pays `beta` KL(policy, prior):
/// prior(y) exp(r(y) / beta) / Z. Its value at the root is beta log Z.
///
/// Source: Rafailov et al. 2023, arXiv:2305.18290, equation 4.
///
/// @param log_prior float64[n, V] by level, normalised.
SoftSolution tilted(const TokenTree& tree, const ByLevel& log_prior, const ByLevel& reward,
                    double beta);

}  // namespace envs
