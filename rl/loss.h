#pragma once

#include <map>
#include <string>

#include "rl/metrics.h"
#include "rl/policy.h"
#include "rl/reward.h"
#include "rl/tensor.h"
#include "rl/trajectory.h"

namespace rl {

class State;

/// What a loss is given for one part of a batch.
struct LossInput {
  const Trajectory& trajectory;
  const PolicyOutput& online;  // the policy in training, with gradient
  const PolicyOutput* target;  // the target network, without; null if the learner keeps none
  const Reward& reward;
  const Tensor& weight;  // float32[B, T] of each trained step, importance included; 0 elsewhere
  /// float32[] share that rows of a mixture's first source have of the weight of all that the loss learns from
  /// in the update, in [0, 1]; undefined without a mixture.
  Tensor first_share = {};
};

/// A note of a loss, bool[B, T]: the steps it learns from. Its mean is over them, as if there were no others.
inline constexpr const char* kLearned = "learned";

/// Numbers of one part of a batch that can be put together with those of the other parts.
struct PartMetrics {
  std::map<std::string, Tensor> sums;    // float32[]; weighted sums, divided by the total weight
  std::map<std::string, Tensor> maxima;  // float32[]; the largest counts
};

struct LossOutput {
  Tensor loss;  // float32[] the weighted *sum* over the part's steps
  PartMetrics metrics;
  /// float32[B, T] how wrong the policy was about each step, without gradient, 0 where nothing is
  /// learned: what a memory draws by. Undefined: the loss has no such notion.
  Tensor errors = {};
};

/// What is learned from experience.
///
/// A loss is a weighted sum over trained steps; the learner divides by the total weight of the whole
/// update, so that the gradient does not depend on how a batch is cut.
class Loss {
 public:
  virtual ~Loss() = default;

  /// Notes down, once per collected batch and before the policy changes, what the loss needs of the
  /// policy as it acted. Called without gradient, for parts of the batch. What is noted down is for this
  /// loss alone; nothing but the notes may be changed.
  virtual Trajectory prepare(const Trajectory& part, const PolicyModel& policy,
                             const Reward& reward) const {
    (void)policy;
    (void)reward;
    return part;
  }
  /// Follows `prepare`, with the whole batch: what depends on all of its rows (normalisation).
  virtual Trajectory complete(const Trajectory& batch) const { return batch; }
  /// Whether `prepare` and `complete` do anything.
  virtual bool prepares() const { return false; }
  /// Whether the loss reads `LossInput::target`.
  virtual bool needs_target() const { return false; }

  /// Whether, after an update with these metrics of its own, no more is to be learned from what was
  /// collected: the policy has moved too far from it.
  virtual bool enough(const Metrics& metrics) const {
    (void)metrics;
    return false;
  }

  /// Told after every update that was made, with the metrics of the learner's own; for losses that
  /// change in the course of a training. What they then are is part of a checkpoint.
  ///
  /// @param progress share of the training done, in [0, 1].
  virtual void updated(const Metrics& metrics, double progress) {
    (void)metrics;
    (void)progress;
  }
  virtual void save(State& state) const { (void)state; }
  virtual void load(const State& state) { (void)state; }

  /// May be called from several threads at once.
  virtual LossOutput operator()(const LossInput& input) const = 0;
};

/// The largest difference between the log-probability recorded while acting and the one worked out
/// while learning, over the policy's own steps: float32[]. Sampler and trainer must agree where actions are
/// drawn from the policy as it is and learned from at once.
///
/// @param log_prob float32[B, T], worked out while learning.
/// @param where bool[B, T].
Tensor log_prob_difference(const Trajectory& trajectory, const Tensor& log_prob,
                           const Tensor& where);

}  // namespace rl
