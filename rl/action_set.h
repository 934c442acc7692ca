#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "rl/tensor.h"

namespace rl {

/// A linear read-out of features into logits over all actions: logits = features weight^T + bias.
///
/// It lets a network with a large action space hand out [states, D] features instead of
/// [states, actions] logits; whoever needs logits applies the read-out to a few states at a time.
///
/// With `heads` it is a mixture of priors: the features are those of each head side by side, followed by
/// one log-weight per head, and the logits are the log-probabilities of the mixture of the heads'
/// *probabilities*. A prior may be one, a policy that learns may not.
struct Readout {
  Tensor weight;             // float[A, D]; undefined: the features are the logits
  Tensor bias;               // float[A] or undefined
  double temperature = 1.0;  // logits are divided by it
  std::vector<Readout> heads = {};

  /// float32[n, A] from float[n, D].
  Tensor logits(const Tensor& features) const;
  /// Number of actions A, given the features it is applied to.
  int64_t action_count(const Tensor& features) const;

 private:
  Tensor mixed(const Tensor& features) const;
};

/// The actions available in each state of a batch, and how likely a prior policy finds them.
///
/// A token MDP has as many actions as the vocabulary has entries, V. Almost all of a teacher's
/// probability lies on a few of them, so a state may offer only its K likeliest tokens: learning,
/// replay and exploration then cost O(K) instead of O(V) per step. In classic environments the set
/// is simply every action.
///
/// Two forms. A *reduced* set lists its actions in `ids`. A *full* set (`ids` undefined) holds every
/// action, slot = id; its prior is either `prior_log_probs` over all actions (small worlds) or is
/// read out on demand from `prior_features`, so that no [states, V] tensor is ever kept. A set
/// without any prior is one that nobody has judged yet.
///
/// Leading dimensions are written `...`: [B] for one step of a batch, [B, T] for a trajectory.
struct ActionSet {
  /// int64[..., K]. Action ids, likeliest first; -1 marks an empty slot. Undefined: every action.
  Tensor ids;
  /// float32[..., K]. log p(id | state) under the prior over *all* actions, so that the
  /// exponentials sum to the mass the set covers (at most 1). -inf on empty slots.
  Tensor prior_log_probs;
  /// float32[...]. Log of the prior's mass outside a reduced set, computed as a log-sum-exp over what
  /// lies outside (1 - sum loses it when the set holds nearly everything). -inf: nothing outside.
  Tensor tail_log_prob;
  /// float[..., D] and its read-out: the prior of a full set, on demand.
  Tensor prior_features;
  std::shared_ptr<const Readout> prior_readout;

  bool is_full() const { return !ids.defined(); }
  bool has_prior() const { return prior_log_probs.defined() || prior_features.defined(); }
  /// Slots per state, K, of a reduced set or of a full set with `prior_log_probs`.
  int64_t size() const;
  /// bool[..., K]. True where the slot of a reduced set holds an action.
  Tensor valid() const;
  /// The same set with `prior_log_probs` worked out (float32[..., A] for a full set).
  ActionSet dense() const;
  /// Applies `f` to every tensor whose leading dimensions are the states' (ids, log-probs, features).
  template <typename F>
  ActionSet map(F f) const {
    const auto apply = [&](const Tensor& t) { return t.defined() ? f(t) : t; };
    return {apply(ids), apply(prior_log_probs), apply(tail_log_prob), apply(prior_features),
            prior_readout};
  }
};

/// Keeps the `k` likeliest actions of each state.
///
/// @param log_probs float[..., V], normalised over the last dimension.
/// @param k number of slots, 1 <= k <= V.
/// @throws std::invalid_argument if k is out of range.
ActionSet top_k(const Tensor& log_probs, int64_t k);

/// Keeps the smallest set of likeliest actions whose mass reaches `p`, at most `max_actions` of
/// them. States that need fewer have empty slots.
///
/// Source: Holtzman et al. 2020, arXiv:1904.09751, nucleus sampling.
///
/// @param log_probs float[..., V], normalised over the last dimension.
/// @param p mass to cover, 0 < p <= 1.
/// @param max_actions number of slots K, 1 <= max_actions <= V.
/// @throws std::invalid_argument if p or max_actions is out of range.
ActionSet top_p(const Tensor& log_probs, double p, int64_t max_actions);

/// Makes sure that every state offers a given action: where the set lacks it, it takes an empty slot,
/// or else the last one. Written answers need this, for they hold tokens the teacher ranks low. The
/// mass outside is worked out anew, exactly.
///
/// @param action_ids int64[...]; -1 where nothing is to be included.
/// @param log_probs float[..., V], the prior over all actions.
ActionSet including(const ActionSet& actions, const Tensor& action_ids, const Tensor& log_probs);

/// Looks each action up in its state's set.
///
/// @param actions `ids` of shape int64[..., K], or a full set.
/// @param action_ids int64[...].
/// @return int64[...]. The slot of each action, or -1 where the set does not hold it.
Tensor slot_of(const ActionSet& actions, const Tensor& action_ids);

}  // namespace rl
