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
  ops::TdDistillationOptions td = {};
  ops::Gauge gauge = ops::Gauge::max_shift;
  std::optional<double> q_min = -10;
  ops::Tail tail = ops::Tail::drop;  // lump, drop or support
  OutOfSet out_of_set = OutOfSet::include;
  double entropy_temperature = 1;  // e of V = e logsumexp(Q / e)
  bool use_target = false;         // the target network values the states that are reached
  /// Whether the steps of a mixture's second source (see Trajectory::second) are the policy's own and learned
  /// from as such; if not, every step is a demonstration.
  bool own_steps = false;
  bool chi2_on_own = false;  // the squared reward also of own steps
};

/// Inverse soft Q-learning on a reduced action space: the logits are soft Q-values, and the reward
/// they imply, r = Q(s, a) - gamma V(s'), is kept small. With the sets of a teacher and its answers this
/// is Bellman distillation; on all actions it is IQ-Learn. With steps of the policy's own it is
///
///     -E_demonstrated[r] + E_all[V(s) - gamma V(s')] + E[r^2] / (4 alpha),
///
/// the last mean being over demonstrated steps, or over all.
///
/// Source: Yu, Li & Zhang 2025, arXiv:2505.20335, in the gathered form; Garg et al. 2021,
/// arXiv:2106.12142, equations 10 and 12.
class InverseSoftQ : public Loss {
 public:
  /// @throws std::invalid_argument for a tail other than lump, drop and support, for
  ///         OutOfSet::tail without Tail::lump, or for a number out of range.
  explicit InverseSoftQ(InverseSoftQOptions options);

  Trajectory prepare(const Trajectory& part, const PolicyModel& policy,
                     const Reward& reward) const override;
  bool prepares() const override { return options_.out_of_set == OutOfSet::exclude; }
  bool needs_target() const override { return options_.use_target; }
  LossOutput operator()(const LossInput& input) const override;

 private:
  Tensor per_step(const ops::TdDistillation& td, const LossInput& input) const;
  Tensor columns(const Opinion& opinion) const;

  InverseSoftQOptions options_;
};

}  // namespace rl
