#pragma once

#include <cstdint>

#include "envs/token/dataset_source.h"
#include "rl/source.h"

namespace envs {

/// Written answers in pairs, whose embeddings are to be mixed (rl/pairs.h): episode e with episode
/// e xor 1, so that a batch of even size holds both of a pair.
///
/// A pair is cut to what both have: the last ids of the longer prompt, the first of the longer answer.
/// Positions, and what is trained, are then the same in both.
class PairedSource : public rl::Source {
 public:
  /// @param beta_shape a of Beta(a, a), which the first one's share is drawn from; 0: nothing is mixed,
  ///     and an episode is paired with itself at a share of 1.
  PairedSource(ExampleOf example_of, double beta_shape, uint64_t seed);
  rl::Trajectory collect(const rl::Tensor& episodes, double progress) override;

 private:
  ExampleOf example_of_;
  double beta_shape_;
  uint64_t key_;
};

}  // namespace envs
