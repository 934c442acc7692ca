#pragma once

/// Agreement of two policies on the order of the actions that either finds likely.

#include <cstdint>

#include "rl/tensor.h"

namespace rl::ops {

/// Actions among which orders are compared: the prior's k likeliest and the policy's, each once.
struct Union {
  Tensor ids;      // int64[n, 2k]
  Tensor valid;    // bool[n, 2k]; false: the slot repeats an action, or neither side has it
  Tensor overlap;  // float[n] share of the k that both have
};

/// @param p, q float[n, A], scores of actions; -inf on both sides where there is none.
/// @param k at most A counts.
Union union_of_top(const Tensor& p, const Tensor& q, int64_t k);

/// Soft ranks, n for the largest of n values down to 1: the point of the permutahedron of (n, ..., 1)
/// nearest to the values. Values a whole unit apart have their hard ranks and no gradient; among closer ones
/// ranks are shared, with gradient.
///
/// Source: Blondel et al. 2020, "Fast Differentiable Sorting and Ranking", arXiv:2002.08871, with squared
///         distances and strength 1. The isotonic regression is worked out by its min-max formula (Robertson
///         et al. 1988), on all rows at once.
///
/// @param values float64[n, m]. @param valid bool[n, m], values that count.
/// @return float64[n, m]; 0 where `valid` is false.
Tensor soft_ranks(const Tensor& values, const Tensor& valid);

/// 1 - the correlation of the soft ranks of two policies on `among`: float32[n] in [0, 2], computed in
/// float64. 0 without gradient where fewer than two actions are compared or one side finds all alike.
///
/// Source: Peng & Zhang 2025, arXiv:2409.12545.
///
/// @param p, q float[n, A], logits or log-probabilities.
Tensor rank_disagreement(const Tensor& p, const Tensor& q, const Union& among);

}  // namespace rl::ops
