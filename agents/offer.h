#pragma once

#include <cstdint>
#include <memory>

#include "rl/action_set.h"
#include "rl/tensor.h"
#include "rl/trajectory.h"

namespace agents {

/// Which actions a teacher puts on offer.
struct OfferOptions {
  enum class Kind { all, top_k, top_p, sampled };
  Kind kind = Kind::all;
  int64_t max_actions = 50;    // slots of top_k and top_p; draws of sampled
  double p = 0.8;              // mass of top_p
  double temperature = 1.0;    // the teacher's logits are divided by it
  bool include_taken = false;  // the action taken is always on offer; not of sampled
  uint64_t seed = 0;           // of the draws of sampled
  /// Of all actions: hand out the judge's own logits, at their own level, as prior features; -inf for what
  /// a state does not offer.
  bool raw = false;
};

/// The random numbers of a sampled set, functions of (seed, episode, step): float64[B * T, draws].
/// Undefined for other sets, which need none.
rl::Tensor draws_for(const OfferOptions& options, const rl::Trajectory& trajectory);

/// The set that the options make of log-probabilities.
///
/// @param log_probs float[..., A], the teacher's.
/// @param taken int64[...], actions to include where the options say so, -1 for none; undefined: none.
/// @param draws float64[..., draws] of `draws_for`, where the set is sampled.
/// @throws std::invalid_argument for a sampled set without draws.
rl::ActionSet offer(const rl::Tensor& log_probs, const OfferOptions& options,
                    const rl::Tensor& taken = {}, const rl::Tensor& draws = {});

/// The sets that the options make of a prior that is read out of features, in all states of a trajectory;
/// features are handed on where every action is on offer.
///
/// @param features float[B, T, D].
rl::ActionSet offer_in_chunks(const rl::Tensor& features,
                              const std::shared_ptr<const rl::Readout>& readout,
                              const OfferOptions& options, const rl::Trajectory& trajectory);

}  // namespace agents
