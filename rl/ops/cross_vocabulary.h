#pragma once

/// Distances between a prior and a policy whose actions are not the same.
///
/// The prior is over a *union* of actions: those of the policy in their order, then its own. An action of the
/// policy that the prior has not has log-probability -inf.

#include <optional>

#include "rl/tensor.h"

namespace rl::ops {

/// sum_i |p_(i) - q_(i)| of the probabilities sorted in descending order, the shorter side padded with 0:
/// float32[n]. Which action has which probability does not count.
///
/// Source: Boizard et al. 2024, "Towards Cross-Tokenizer Distillation: the Universal Logit Distillation
/// Loss for LLMs", arXiv:2402.12030, equation 5.
///
/// @param log_p float32[n, A']; a constant. @param log_q float32[n, A].
Tensor sorted_distance(const Tensor& log_p, const Tensor& log_q);

struct HybridOptions {
  double beta = 0.5;  // the prior's share of the mixture, 0 < beta < 1
  /// Weight of the actions that both have; the others have the rest. Absent: their share of the prior's.
  std::optional<double> matched_weight = std::nullopt;
};

/// w JSD_beta on the actions that both have, and (1 - w) `sorted_distance` on the others: float32[n].
/// Neither side need be normalised.
///
/// Source: Patiño et al. 2025, "Unlocking On-Policy Distillation for Any Model Family" (GOLD), as in TRL.
///
/// @param log_p float32[n, A'], of the union; a constant. @param log_q float32[n, A].
Tensor hybrid_distance(const Tensor& log_p, const Tensor& log_q, const HybridOptions& options);

}  // namespace rl::ops
