#pragma once

#include <cstdint>

#include "rl/policy.h"
#include "rl/tensor.h"

namespace agents {

/// How an action is drawn from logits. Filters apply in this order, each to what the one before left.
struct SamplingOptions {
  double temperature = 1.0;  // logits are divided by it; 0: always the likeliest
  int64_t top_k = 0;         // only the k likeliest; 0: all
  double top_p = 1.0;        // only the smallest set of the likeliest whose mass reaches p
  double min_p = 0.0;        // only actions at least this share as likely as the likeliest

  /// Whether actions are drawn from the policy as it is.
  bool is_plain() const { return temperature == 1.0 && top_k == 0 && top_p >= 1.0 && min_p <= 0.0; }
  /// @throws std::invalid_argument naming the option that is out of range.
  void validate() const;
};

/// Log-probabilities of the distribution that the options make of logits: float32[B, A], -inf for what they
/// leave out; at temperature 0 all of it is on the likeliest action.
rl::Tensor filtered_log_probs(const rl::Tensor& logits, const SamplingOptions& options);

/// Draws one action per row by inverting the cumulative distribution.
///
/// @param log_probs float32[B, A], normalised.
/// @param uniform float64[B] in [0, 1), one draw per row.
rl::Choice draw(const rl::Tensor& log_probs, const rl::Tensor& uniform);

/// The same choice on the host, where worlds are.
rl::Choice on_host(const rl::Choice& choice);

/// Draws one action per row by inverting the cumulative distribution.
///
/// @param logits float[B, A]; -inf where an action is not on offer.
/// @param uniform float64[B] in [0, 1), one draw per row, on the host.
/// @return on the host: the actions and their log-probabilities under the filtered distribution; those of
///         the likeliest action (temperature 0) are the policy's own.
rl::Choice sample(const rl::Tensor& logits, const SamplingOptions& options,
                  const rl::Tensor& uniform);

}  // namespace agents
