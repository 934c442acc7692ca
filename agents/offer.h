#pragma once

#include <cstdint>
#include <memory>

#include "rl/action_set.h"
#include "rl/tensor.h"
#include "rl/trajectory.h"

namespace agents {

/// Which actions a teacher puts on offer.
struct OfferOptions {
  enum class Kind { all, top_k, top_p };
  Kind kind = Kind::all;
  int64_t max_actions = 50;    // slots of top_k and top_p
  double p = 0.8;              // mass of top_p
  double temperature = 1.0;    // the teacher's logits are divided by it
  bool include_taken = false;  // the action taken is always on offer
};

/// The set that the options make of log-probabilities.
///
/// @param log_probs float[..., A], the teacher's.
/// @param taken int64[...], actions to include where the options say so, -1 for none; undefined: none.
rl::ActionSet offer(const rl::Tensor& log_probs, const OfferOptions& options,
                    const rl::Tensor& taken = {});

/// The sets that the options make of a prior that is read out of features, in all states of a trajectory;
/// features are handed on where every action is on offer.
///
/// @param features float[B, T, D].
rl::ActionSet offer_in_chunks(const rl::Tensor& features,
                              const std::shared_ptr<const rl::Readout>& readout,
                              const OfferOptions& options, const rl::Trajectory& trajectory);

}  // namespace agents
