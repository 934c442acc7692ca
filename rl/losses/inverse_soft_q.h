#pragma once

#include <optional>

#include "rl/loss.h"
#include "rl/ops/divergence.h"
#include "rl/ops/value.h"

namespace rl {

/// What becomes of a step whose action the set does not hold.
enum class OutOfSet {
  include,  // never happens: sets are made to include the action (see `including`)
  exclude,  // the step is not learned from
  tail,     // the action taken is the tail action (only with Tail::lump)
};

struct InverseSoftQOptions {
  double gamma = 0.99;
  ops::TdDistillationOptions td;
  ops::Gauge gauge = ops::Gauge::max_shift;
  std::optional<double> q_min = -10;
  ops::Tail tail = ops::Tail::drop;  // lump, drop or support
  OutOfSet out_of_set = OutOfSet::include;
};

/// Inverse soft Q-learning on a reduced action space: the logits are soft Q-values, and the reward
/// they imply, Q(s, a) - gamma V(s'), is kept small. With the sets of a teacher and its answers this is
/// Bellman distillation; on all actions it is IQ-Learn.
///
/// Source: Yu, Li & Zhang 2025, arXiv:2505.20335, in the gathered form; Garg et al. 2021,
/// arXiv:2106.12142, equation 12.
class InverseSoftQ : public Loss {
 public:
  /// @throws std::invalid_argument for a tail other than lump, drop and support, for
  ///         OutOfSet::tail without Tail::lump, or a gamma outside [0, 1].
  explicit InverseSoftQ(InverseSoftQOptions options);

  Trajectory prepare(const Trajectory& part, const PolicyModel& policy,
                     const Reward& reward) const override;
  bool prepares() const override { return options_.out_of_set == OutOfSet::exclude; }
  LossOutput operator()(const LossInput& input) const override;

 private:
  Tensor columns(const Opinion& opinion) const;

  InverseSoftQOptions options_;
};

}  // namespace rl
