#pragma once

#include "rl/source.h"
#include "tests/toy/readout_policy.h"

namespace rl::toy {

/// Rows that say which episode was asked for, and of whom.
struct Echo : Source {
  explicit Echo(int64_t id) : name(id) {}
  Trajectory collect(const Tensor& episodes, double) override {
    Trajectory t = toy::make_batch(episodes.size(0), 3, 4, 1, false);
    t.episode = episodes;
    t.action = torch::full_like(t.action, name);
    return t;
  }
  void measured(double loss) override { last_loss = loss; }
  int64_t name;
  double last_loss = 0;
};

}  // namespace rl::toy
