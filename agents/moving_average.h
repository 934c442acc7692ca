#pragma once

#include "agents/nets/decoder.h"
#include "rl/source.h"

namespace agents {

/// A decoder that moves a share of the way towards another before each collection is judged: an
/// exponential moving average of its parameters.
class MovingAverage : public rl::Follower {
 public:
  /// @param average of `leader`'s shape, with parameters of its own.
  /// @param share in (0, 1]; 1 takes the leader over.
  MovingAverage(Decoder average, Decoder leader, double share);

  void follow(const rl::Trajectory& collected) override;
  void save(rl::State& state) const override;
  void load(const rl::State& state) override;

 private:
  Decoder average_, leader_;
  double share_;
};

}  // namespace agents
