#include "envs/graph_solver.h"

#include <algorithm>
#include <boost/graph/depth_first_search.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

namespace envs {
namespace {

constexpr double kTolerance = 1e-13;  // of the largest value
constexpr double kMaxWork = 1e9;      // branches looked at: some seconds

using Offers = std::vector<std::vector<Offer>>;

double largest(const std::vector<double>& values) {
  double result = 0;
  for (const double value : values) result = std::max(result, std::abs(value));
  return result;
}

// Repeats `sweep`, which gives how much it changed, until what is still to come is below the tolerance: changes
// shrink by the discount at least. With discount 1 nothing is known of that, so they must vanish.
void repeat(const Offers& offers, double discount, const std::function<double()>& sweep,
            const std::function<double()>& scale) {
  constexpr double kRounding = 2 * std::numeric_limits<double>::epsilon();
  const double enough =
      discount == 0 ? 1 : std::max(kTolerance * (1 - discount) / discount, kRounding);
  double branches = 1;
  for (const auto& state : offers) {
    for (const Offer& offer : state) branches += static_cast<double>(offer.branches.size());
  }
  for (double work = 0; work < kMaxWork; work += branches) {
    if (sweep() <= enough * scale()) return;
  }
  throw std::runtime_error(
      "values do not converge: the discount is too near 1, or episodes end too rarely");
}

// Every state after those that it leads to, as far as cycles allow: one sweep in this order solves a tree.
std::vector<size_t> backward_order(const DecisionProcess& process) {
  struct Visitor : boost::default_dfs_visitor {
    explicit Visitor(std::vector<size_t>* result) : order(result) {}
    void finish_vertex(size_t state, const DecisionGraph&) { order->push_back(state); }
    std::vector<size_t>* order;
  };
  std::vector<size_t> order;
  boost::depth_first_search(process.graph, boost::visitor(Visitor(&order)));
  return order;
}

double q_of(const Offer& offer, const std::vector<double>& value, double discount) {
  double result = 0;
  for (const Offer::Branch& branch : offer.branches) {
    result +=
        branch.probability * (branch.reward + discount * value[static_cast<size_t>(branch.next)]);
  }
  return result;
}

// Values that agree with what follows: V(s) = worth(s, Q(s, .)).
template <typename Worth>
Solution fixed_point(const DecisionProcess& process, double discount, const Worth& worth) {
  const Offers offers = offers_of(process);
  const std::vector<size_t> order = backward_order(process);
  Solution result{std::vector<double>(offers.size(), 0), BySlot(offers.size()), {}};
  const auto sweep = [&] {
    double change = 0;
    for (const size_t s : order) {
      if (offers[s].empty()) continue;
      result.q[s].clear();
      for (const Offer& offer : offers[s]) {
        result.q[s].push_back(q_of(offer, result.value, discount));
      }
      const double value = worth(s, result.q[s]);
      change = std::max(change, std::abs(value - result.value[s]));
      result.value[s] = value;
    }
    return change;
  };
  repeat(offers, discount, sweep, [&] { return largest(result.value); });
  for (size_t s = 0; s < offers.size(); ++s) {
    for (size_t a = 0; a < offers[s].size(); ++a) {
      result.q[s][a] = q_of(offers[s][a], result.value, discount);
    }
  }
  return result;
}

void check_policy(const DecisionProcess& process, const BySlot& policy, double discount) {
  const Offers offers = offers_of(process);
  const auto refuse = [&](size_t s, const std::string& message) {
    throw std::invalid_argument("policy of state \"" + process.graph[s].name + "\": " + message);
  };
  if (policy.size() != offers.size()) {
    throw std::invalid_argument("expected a policy of " + std::to_string(offers.size()) +
                                " states, found " + std::to_string(policy.size()));
  }
  for (size_t s = 0; s < offers.size(); ++s) {
    if (policy[s].size() != offers[s].size()) {
      refuse(s, "expected " + std::to_string(offers[s].size()) + " probabilities, found " +
                    std::to_string(policy[s].size()));
    }
    if (offers[s].empty()) continue;
    const double sum = std::accumulate(policy[s].begin(), policy[s].end(), 0.0);
    const bool negative =
        std::any_of(policy[s].begin(), policy[s].end(), [](double p) { return !(p >= 0); });
    if (negative || !(std::abs(sum - 1) <= 1e-8)) {
      refuse(s, "expected probabilities that sum to 1, found a sum of " + std::to_string(sum));
    }
  }
  validate_discount(process, discount);
}

BySlot greedy(const BySlot& q) {
  BySlot policy;
  for (const std::vector<double>& values : q) {
    policy.emplace_back(values.size(), 0.0);
    if (values.empty()) continue;
    const auto best = std::max_element(values.begin(), values.end());
    policy.back()[static_cast<size_t>(best - values.begin())] = 1;
  }
  return policy;
}

double soft_maximum(const std::vector<double>& q, double temperature) {
  const double top = *std::max_element(q.begin(), q.end());
  double sum = 0;
  for (const double value : q) sum += std::exp((value - top) / temperature);
  return top + temperature * std::log(sum);
}

double entropy(const std::vector<double>& probabilities) {
  double nats = 0;
  for (const double p : probabilities) nats -= p > 0 ? p * std::log(p) : 0;
  return nats;
}

void check_temperature(bool in_range, const std::string& range, double temperature) {
  if (in_range && std::isfinite(temperature)) return;
  throw std::invalid_argument("needs temperature " + range + ", found " +
                              std::to_string(temperature));
}

}  // namespace

Solution evaluate(const DecisionProcess& process, const BySlot& policy, double discount) {
  return evaluate_soft(process, policy, discount, 0);
}

Solution evaluate_soft(const DecisionProcess& process, const BySlot& policy, double discount,
                       double temperature) {
  check_policy(process, policy, discount);
  check_temperature(temperature >= 0, ">= 0", temperature);
  std::vector<double> bonus(policy.size(), 0);
  for (size_t s = 0; s < policy.size(); ++s) bonus[s] = temperature * entropy(policy[s]);
  Solution result = fixed_point(process, discount, [&](size_t s, const std::vector<double>& q) {
    return std::inner_product(q.begin(), q.end(), policy[s].begin(), bonus[s]);
  });
  result.policy = policy;
  return result;
}

Solution solve(const DecisionProcess& process, double discount) {
  validate_discount(process, discount);
  Solution result = fixed_point(process, discount, [](size_t, const std::vector<double>& q) {
    return *std::max_element(q.begin(), q.end());
  });
  result.policy = greedy(result.q);
  return result;
}

Solution solve_soft(const DecisionProcess& process, double discount, double temperature) {
  validate_discount(process, discount);
  check_temperature(temperature > 0, "> 0", temperature);
  Solution result = fixed_point(process, discount, [&](size_t, const std::vector<double>& q) {
    return soft_maximum(q, temperature);
  });
  for (const std::vector<double>& q : result.q) {
    std::vector<double>& policy = result.policy.emplace_back();
    if (q.empty()) continue;
    const double value = soft_maximum(q, temperature);
    for (const double one : q) policy.push_back(std::exp((one - value) / temperature));
  }
  return result;
}

std::vector<double> occupancy(const DecisionProcess& process, const BySlot& policy,
                              double discount) {
  check_policy(process, policy, discount);
  const Offers offers = offers_of(process);
  const std::vector<size_t> order = backward_order(process);
  std::vector<double> visits(offers.size(), 0), arriving = start_of(process);
  // What arrives in a state is counted and sent on; what is then on its way is what is still to come.
  const auto sweep = [&] {
    for (auto s = order.rbegin(); s != order.rend(); ++s) {
      const double here = std::exchange(arriving[*s], 0);
      visits[*s] += here;
      for (size_t a = 0; a < offers[*s].size(); ++a) {
        for (const Offer::Branch& branch : offers[*s][a].branches) {
          arriving[static_cast<size_t>(branch.next)] +=
              discount * here * policy[*s][a] * branch.probability;
        }
      }
    }
    return std::accumulate(arriving.begin(), arriving.end(), 0.0);
  };
  repeat(offers, discount, sweep, [&] { return largest(visits); });
  return visits;
}

DecisionProcess likeliest_actions(const DecisionProcess& process, const BySlot& policy, int64_t k) {
  if (k < 1) throw std::invalid_argument("needs k >= 1, found " + std::to_string(k));
  check_policy(process, policy, 0);
  const Offers offers = offers_of(process);
  std::vector<std::vector<int64_t>> allowed(offers.size());
  for (size_t s = 0; s < offers.size(); ++s) {
    std::vector<size_t> slots(offers[s].size());
    std::iota(slots.begin(), slots.end(), 0);
    std::stable_sort(slots.begin(), slots.end(),
                     [&](size_t a, size_t b) { return policy[s][a] > policy[s][b]; });
    slots.resize(std::min(slots.size(), static_cast<size_t>(k)));
    for (const size_t slot : slots) allowed[s].push_back(offers[s][slot].action);
  }
  return reduced(process, allowed);
}

}  // namespace envs
