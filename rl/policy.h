#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rl/action_set.h"
#include "rl/environment.h"
#include "rl/tensor.h"
#include "rl/trajectory.h"

namespace rl {

/// What a policy makes of the states of a trajectory.
struct PolicyOutput {
  Tensor features;  // float[B, T, D]; its read-out gives the logits of all A actions
  Readout readout;
  Tensor value;  // float32[B, T] expected return from the state, or undefined
};

/// A parameter and its name, which is also its name in files.
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// A policy that learns: it can be asked again, with gradient, what it makes of what was done.
///
/// `evaluate` may be called from several threads at once.
class PolicyModel {
 public:
  virtual ~PolicyModel() = default;

  /// On the policy's own device, wherever the trajectory is.
  virtual PolicyOutput evaluate(const Trajectory& trajectory) const = 0;

  /// The tensors that learning changes, in a fixed order.
  virtual NamedTensors parameters() const = 0;

  /// An independent copy with the same parameters, e.g. a target network.
  virtual std::unique_ptr<PolicyModel> clone() const = 0;
};

/// What an actor does in each state of a batch, on the host.
struct Choice {
  Tensor action_ids;  // int64[B]
  Tensor log_prob;    // float32[B] of the action, under the distribution it was drawn from
};

/// Somebody who acts, without gradient: the policy in training, a teacher, a mixture of both.
///
/// An actor may remember the episodes it plays (a key-value cache): `begin` starts new ones and
/// `keep` follows `Environment::keep`.
class Actor {
 public:
  virtual ~Actor() = default;

  /// Told before each collection how much of the training is done, in [0, 1).
  virtual void set_progress(double progress) { (void)progress; }
  virtual void begin(const TimeStep& first) = 0;
  virtual Choice act(const TimeStep& now) = 0;
  virtual void keep(const Tensor& rows) = 0;
};

/// A second opinion on visited states: which actions a state offers, and how likely each is under
/// another policy than the one that learns, e.g. a teacher.
class Prior {
 public:
  virtual ~Prior() = default;

  /// Action sets with their prior for all states of the trajectory, which every action taken belongs
  /// to if the set is made to include it. On the prior's own device, wherever the trajectory is. Without
  /// gradient. May be called from several threads.
  virtual ActionSet judge(const Trajectory& trajectory) const = 0;

  /// The same, where it is known already what the prior's own policy makes of the states. A prior that is
  /// no policy asks itself.
  virtual ActionSet judge_by(const PolicyOutput& states, const Trajectory& trajectory) const {
    (void)states;
    return judge(trajectory);
  }

  /// The trajectory with these sets, and with what the prior notes down for those who learn: what is new may
  /// be on another device than the rest (see Trajectory::to).
  virtual Trajectory judged(const Trajectory& trajectory) const {
    return trajectory.with(judge(trajectory));
  }
};

}  // namespace rl
