#pragma once

#include <vector>

#include "envs/decision_process.h"

namespace envs {

/// Numbers by state and slot, the slots being the state's actions in order of their ids
/// (`offers_of`); a terminal state has none.
using BySlot = std::vector<std::vector<double>>;

/// What a decision process is worth, in double, and how to act in it.
struct Solution {
  std::vector<double> value;  // by state; 0 where terminal
  BySlot q;                   // what an action is worth if one acts by the policy from then on
  BySlot policy;              // probabilities
};

/// What acting by a policy is worth, by iteration until values are exact to 1e-12 of the largest.
///
/// @param policy probabilities that sum to 1 in every state that offers something.
/// @param discount see `validate_discount`.
/// @throws std::invalid_argument for a wrong policy or discount, and where episodes need not end.
/// @throws std::runtime_error if that takes too long: episodes end too rarely.
Solution evaluate(const DecisionProcess& process, const BySlot& policy, double discount);

/// The same for who is also paid `temperature` for each nat of the policy's entropy, in the state that is
/// being left: Q(s, a) = r + discount V(s'), V(s) = sum_a policy(a) (Q(s, a) - temperature log policy(a)).
///
/// @param temperature >= 0.
/// @throws as `evaluate`.
Solution evaluate_soft(const DecisionProcess& process, const BySlot& policy, double discount,
                       double temperature);

/// The best there is: value iteration. Of equally good actions the policy takes the one with the lowest
/// id.
///
/// @throws as `evaluate`.
Solution solve(const DecisionProcess& process, double discount);

/// The best there is for who is paid `temperature` for each nat of the policy's entropy:
/// V(s) = e log sum_a exp(Q(s, a) / e), policy exp((Q - V) / e).
///
/// Source: Haarnoja et al. 2017, arXiv:1702.08165, equations 2 and 3.
///
/// @param temperature e > 0.
/// @throws as `evaluate`.
Solution solve_soft(const DecisionProcess& process, double discount, double temperature);

/// How often an episode is expected in each state, visits being discounted: sum_t discount^t P(s_t = s). Over
/// all states this sums to 1 / (1 - discount) where episodes do not end.
///
/// @throws as `evaluate`.
std::vector<double> occupancy(const DecisionProcess& process, const BySlot& policy,
                              double discount);

/// The process with only the k actions of each state that a policy finds likeliest (of equally likely ones
/// those with the lowest ids).
///
/// @throws std::invalid_argument if k is below 1.
DecisionProcess likeliest_actions(const DecisionProcess& process, const BySlot& policy, int64_t k);

}  // namespace envs
