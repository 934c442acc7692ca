#pragma once

/// What rewards and losses are computed from: a policy's opinion of some states, beside the prior's.
///
/// Neither is kept for a whole batch: with A actions, [states, A] numbers do not fit. A function of
/// single states is handed to `map_states` or `sum_states`, which apply the read-out to a few states
/// at a time. Peak memory does not grow with states x A.

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "rl/policy.h"
#include "rl/tensor.h"
#include "rl/trajectory.h"

namespace rl {

/// The opinions of the policy and of the prior on n states, and the action taken in each.
class Opinion {
 public:
  /// @param logits float32[n, A], the policy's, of all actions.
  /// @param actions [n, K], as in the trajectory.
  /// @param action int64[n].
  /// @param notes [n] each, by name.
  Opinion(Tensor logits, ActionSet actions, Tensor action,
          std::map<std::string, Tensor> notes = {});

  /// float32[n, A], of all actions.
  const Tensor& all_logits() const { return logits_; }
  /// float32[n, K], of the set's actions; -inf on empty slots.
  const Tensor& logits() const;
  /// float32[n], log-sum-exp over all actions.
  const Tensor& log_normalizer() const;
  /// float32[n, K], log q of the set's actions over all actions.
  const Tensor& log_probs() const;
  /// float32[n], log of the policy's mass outside a reduced set; undefined for a full set.
  const Tensor& tail_log_prob() const;
  /// float32[n], the largest logit of all actions.
  const Tensor& max_logit() const;
  /// float32[n], log q of the action taken, in the set or not.
  const Tensor& action_log_prob() const;
  /// float32[n], logit of the action taken, in the set or not.
  const Tensor& action_logit() const;
  /// float32[n], entropy over all actions, in nats.
  Tensor entropy() const;

  /// [n, K] the set with its prior worked out.
  const ActionSet& actions() const { return actions_; }
  /// float32[n, K] log p of the set's actions under the prior.
  const Tensor& prior_log_probs() const { return actions_.prior_log_probs; }
  /// float32[n] log of the prior's mass outside; undefined for a full set.
  const Tensor& prior_tail_log_prob() const { return actions_.tail_log_prob; }
  /// int64[n] the action taken.
  const Tensor& action() const { return action_; }
  /// int64[n] its slot in the set, or -1.
  const Tensor& slot() const;

  /// [n] what was noted down about the states under that name (Trajectory::notes); null: nothing.
  const Tensor* note(const std::string& name) const;

  /// The same opinions of a policy whose logits are divided by a temperature.
  Opinion at_temperature(double temperature) const;

 private:
  Tensor logits_;
  ActionSet actions_;
  Tensor action_;
  std::map<std::string, Tensor> notes_;
  mutable std::optional<Tensor> set_logits_, log_normalizer_, log_probs_, tail_, max_, slot_,
      action_logit_, action_log_prob_;
};

/// A function of single states: float32[n] or float32[n, m] from n opinions.
using StateFunction = std::function<Tensor(const Opinion&)>;

/// Applies a function to the states of a trajectory where `where` is true, with gradient into the
/// policy: float32[B, T, m] (float32[B, T] from a function that gives [n]), 0 elsewhere.
///
/// The backward pass applies the read-out a second time instead of keeping its result.
///
/// @param where bool[B, T].
/// @param columns m, or 0 for a function that gives float32[n].
Tensor map_states(const PolicyOutput& policy, const Trajectory& trajectory, const Tensor& where,
                  const StateFunction& f, int64_t columns = 0);

/// A weighted sum over states, and what was summed.
struct StateSum {
  Tensor total;   // float32[] with gradient
  Tensor values;  // float32[B, T, m] without gradient, 0 where the weight is 0
};

/// sum over b, t, m of weight[b, t] scale[m] f(state b, t)[m], with gradient into the policy.
///
/// Value and gradient of each state are worked out together, so the read-out is applied once.
///
/// @param weight float32[B, T]; states of weight 0 are skipped.
/// @param scale one factor per column of f.
/// @param f gives float32[n, m].
StateSum sum_states(const PolicyOutput& policy, const Trajectory& trajectory, const Tensor& weight,
                    const std::vector<double>& scale, const StateFunction& f);

}  // namespace rl
