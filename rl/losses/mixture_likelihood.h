#pragma once

#include "rl/loss.h"

namespace rl {

/// Learns whom to believe: -log sum_k w_k p_k(a) of the actions taken, where the policy in training has
/// one action per prior, w = softmax of its logits, and p_k is what the k-th prior made of the action
/// (see prior_note). The actions are labels; how near a prior is to whom it teaches does not count.
///
/// Source: Zhu et al. 2020, "Ensembled CTR Prediction via Knowledge Distillation", arXiv:2011.04106; the
/// mixture of experts of Jacobs et al. 1991, doi:10.1162/neco.1991.3.1.79, equation 1.3.
class MixtureLikelihood : public Loss {
 public:
  LossOutput operator()(const LossInput& input) const override;
};

}  // namespace rl
