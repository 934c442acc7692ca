#include "envs/decision_process.h"

#include <algorithm>
#include <boost/range/iterator_range.hpp>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace envs {
namespace {

// Probabilities are written in decimals, of which three times 0.333333333 make 1 well enough.
constexpr double kTolerance = 1e-8;

auto vertices_of(const DecisionGraph& graph) {
  return boost::make_iterator_range(boost::vertices(graph));
}

auto edges_from(size_t state, const DecisionGraph& graph) {
  return boost::make_iterator_range(boost::out_edges(state, graph));
}

std::string text_of(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

[[noreturn]] void refuse(const DecisionProcess& process, const std::string& place,
                         const std::string& message) {
  const std::string& where = place.empty() ? process.source : place;
  throw std::invalid_argument(where + (where.empty() ? "" : ": ") + message);
}

std::string called(const DecisionProcess& process, size_t state) {
  return "state \"" + process.graph[state].name + "\"";
}

void check_states(const DecisionProcess& process) {
  const DecisionGraph& graph = process.graph;
  if (process.state_count() == 0) refuse(process, "", "there is no state");
  std::set<std::string> names;
  for (const size_t s : vertices_of(graph)) {
    const StateNode& state = graph[s];
    const auto wrong = [&](const std::string& message) {
      refuse(process, state.place, called(process, s) + message);
    };
    if (!names.insert(state.name).second) wrong(" occurs twice");
    if (!(state.start >= 0 && std::isfinite(state.start))) {
      wrong(": start must be at least 0 and finite, found " + text_of(state.start));
    }
    const bool offers = boost::out_degree(s, graph) > 0;
    if (state.terminal && state.start > 0) wrong(" is terminal, but episodes begin there");
    if (state.terminal && offers) wrong(" is terminal, but offers actions");
    if (!state.terminal && !offers) wrong(" offers no action and is not terminal");
  }
  const auto begins = [&](size_t s) { return graph[s].start > 0; };
  const auto all = vertices_of(graph);
  if (std::none_of(all.begin(), all.end(), begins)) {
    refuse(process, "", "no episode begins anywhere: a state needs a start");
  }
}

void check_edges(const DecisionProcess& process, size_t state) {
  const DecisionGraph& graph = process.graph;
  std::map<int64_t, double> sums;
  for (const auto edge : edges_from(state, graph)) {
    const OutcomeEdge& outcome = graph[edge];
    const bool known = outcome.action >= 0 && outcome.action < process.action_count();
    const std::string place =
        called(process, state) + ", action " +
        (known ? "\"" + process.actions[static_cast<size_t>(outcome.action)] + "\""
               : std::to_string(outcome.action));
    if (!known) {
      refuse(process, outcome.place,
             place + " is not in the set of " + std::to_string(process.action_count()));
    }
    if (!(outcome.probability > 0 && outcome.probability <= 1)) {
      refuse(process, outcome.place,
             place + ": a probability is above 0 and at most 1, found " +
                 text_of(outcome.probability));
    }
    if (!std::isfinite(outcome.reward)) {
      refuse(process, outcome.place,
             place + ": a reward is a finite number, found " + text_of(outcome.reward));
    }
    sums[outcome.action] += outcome.probability;
  }
  for (const auto& [action, sum] : sums) {
    if (std::abs(sum - 1) <= kTolerance) continue;
    const auto edges = edges_from(state, graph);
    const auto first = std::find_if(edges.begin(), edges.end(),
                                    [&, a = action](auto edge) { return graph[edge].action == a; });
    refuse(process, graph[*first].place,
           called(process, state) + ", action \"" + process.actions[static_cast<size_t>(action)] +
               "\": the probabilities sum to " + text_of(sum) + ", expected 1");
  }
}

// For every state from which some actions keep away from the end for ever, a state that the first of
// them may lead to; -1 for all others.
std::vector<int64_t> ways_to_stay(const std::vector<std::vector<Offer>>& offers) {
  struct Slot {
    size_t state, offer;
  };
  std::vector<std::vector<Slot>> leading_to(offers.size());
  std::vector<std::vector<bool>> stays(offers.size());
  std::vector<size_t> ends;  // states from which every action may end
  for (size_t s = 0; s < offers.size(); ++s) {
    stays[s].assign(offers[s].size(), true);
    if (offers[s].empty()) ends.push_back(s);
    for (size_t a = 0; a < offers[s].size(); ++a) {
      for (const Offer::Branch& branch : offers[s][a].branches) {
        leading_to[static_cast<size_t>(branch.next)].push_back({s, a});
      }
    }
  }
  std::vector<int64_t> way(offers.size(), 0);
  while (!ends.empty()) {
    const size_t end = ends.back();
    ends.pop_back();
    way[end] = -1;
    for (const auto& [s, a] : leading_to[end]) {
      if (!stays[s][a]) continue;
      stays[s][a] = false;
      if (std::none_of(stays[s].begin(), stays[s].end(), [](bool b) { return b; }))
        ends.push_back(s);
    }
  }
  for (size_t s = 0; s < offers.size(); ++s) {
    if (way[s] < 0) continue;
    const auto first = std::find(stays[s].begin(), stays[s].end(), true) - stays[s].begin();
    way[s] = offers[s][static_cast<size_t>(first)].branches.front().next;
  }
  return way;
}

// "a -> b -> a", the cycle that the ways lead into.
std::string cycle_from(size_t state, const std::vector<int64_t>& way,
                       const DecisionProcess& process) {
  std::vector<size_t> path;
  while (std::find(path.begin(), path.end(), state) == path.end()) {
    path.push_back(state);
    state = static_cast<size_t>(way[state]);
  }
  path.erase(path.begin(), std::find(path.begin(), path.end(), state));
  std::string text;
  for (const size_t s : path) text += process.graph[s].name + " -> ";
  return text + process.graph[state].name;
}

}  // namespace

std::vector<std::vector<Offer>> offers_of(const DecisionProcess& process) {
  const DecisionGraph& graph = process.graph;
  std::vector<std::vector<Offer>> all(boost::num_vertices(graph));
  for (const size_t s : vertices_of(graph)) {
    std::map<int64_t, std::vector<Offer::Branch>> by_action;
    for (const auto edge : edges_from(s, graph)) {
      const OutcomeEdge& outcome = graph[edge];
      by_action[outcome.action].push_back(
          {static_cast<int64_t>(boost::target(edge, graph)), outcome.probability, outcome.reward});
    }
    for (auto& [action, branches] : by_action) all[s].push_back({action, std::move(branches)});
  }
  return all;
}

std::vector<double> start_of(const DecisionProcess& process) {
  std::vector<double> start;
  for (const size_t s : vertices_of(process.graph)) start.push_back(process.graph[s].start);
  const double sum = std::accumulate(start.begin(), start.end(), 0.0);
  for (double& weight : start) weight /= sum;
  return start;
}

std::vector<bool> reachable(const DecisionProcess& process) {
  const std::vector<double> start = start_of(process);
  std::vector<bool> seen(start.size(), false);
  std::vector<size_t> open;
  const auto visit = [&](size_t state) {
    if (seen[state]) return;
    seen[state] = true;
    open.push_back(state);
  };
  for (size_t s = 0; s < start.size(); ++s) {
    if (start[s] > 0) visit(s);
  }
  while (!open.empty()) {
    const size_t state = open.back();
    open.pop_back();
    for (const auto edge : edges_from(state, process.graph)) {
      visit(boost::target(edge, process.graph));
    }
  }
  return seen;
}

void validate(const DecisionProcess& process) {
  check_states(process);
  for (const size_t s : vertices_of(process.graph)) check_edges(process, s);
}

void validate_discount(const DecisionProcess& process, double discount) {
  if (!(discount >= 0 && discount <= 1)) {
    throw std::invalid_argument("needs 0 <= discount <= 1, found " + text_of(discount));
  }
  if (discount < 1) return;
  const std::vector<bool> seen = reachable(process);
  for (const size_t s : vertices_of(process.graph)) {
    const StateNode& state = process.graph[s];
    if (state.terminal && !seen[s]) {
      refuse(process, state.place,
             "with discount 1, the terminal " + called(process, s) +
                 " must be reachable, but no episode gets there");
    }
  }
  const std::vector<int64_t> way = ways_to_stay(offers_of(process));
  for (size_t s = 0; s < way.size(); ++s) {
    if (way[s] < 0) continue;
    refuse(process, "",
           "with discount 1 every episode must end, but one may go on for ever: " +
               cycle_from(s, way, process));
  }
}

DecisionProcess reduced(const DecisionProcess& process,
                        const std::vector<std::vector<int64_t>>& allowed) {
  if (allowed.size() != boost::num_vertices(process.graph)) {
    throw std::invalid_argument("expected actions for " + std::to_string(process.state_count()) +
                                " states, found " + std::to_string(allowed.size()));
  }
  DecisionProcess result = process;
  for (const size_t s : vertices_of(process.graph)) {
    std::set<int64_t> rest(allowed[s].begin(), allowed[s].end());
    boost::remove_out_edge_if(
        s, [&](auto edge) { return rest.count(result.graph[edge].action) == 0; }, result.graph);
    for (const auto edge : edges_from(s, result.graph)) rest.erase(result.graph[edge].action);
    if (!rest.empty()) {
      refuse(process, process.graph[s].place,
             called(process, s) + " does not offer action " + std::to_string(*rest.begin()));
    }
  }
  validate(result);
  return result;
}

}  // namespace envs
