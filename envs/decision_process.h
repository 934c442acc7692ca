#pragma once

// GCC 12 believes that copying a graph reads what was never written.
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <boost/graph/adjacency_list.hpp>
#ifndef __clang__
#pragma GCC diagnostic pop
#endif

#include <cstdint>
#include <string>
#include <vector>

namespace envs {

/// A state of a finite decision process.
struct StateNode {
  std::string name;
  bool terminal = false;   // the episode ends here, for good
  double start = 0;        // weight with which episodes begin here
  std::string place = {};  // where it was written, "world.yaml:7"; for messages
};

/// One thing that an action may lead to: an edge to the state that comes next.
struct OutcomeEdge {
  int64_t action = 0;      // an index of `DecisionProcess::actions`
  double probability = 1;  // given state and action
  double reward = 0;       // paid on the way
  std::string place = {};
};

using DecisionGraph =
    boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, StateNode, OutcomeEdge>;

/// A finite Markov decision process, drawn: states are vertices, what actions lead to are edges. A state
/// offers the actions of the edges that leave it.
struct DecisionProcess {
  DecisionGraph graph;
  std::vector<std::string> actions;  // names by id
  std::string source;                // where it comes from, for messages

  int64_t state_count() const { return static_cast<int64_t>(boost::num_vertices(graph)); }
  int64_t action_count() const { return static_cast<int64_t>(actions.size()); }
};

/// An action that a state offers, and all it may lead to.
struct Offer {
  struct Branch {
    int64_t next;
    double probability, reward;
  };
  int64_t action;
  std::vector<Branch> branches;
};

/// What each state offers, by action id: the graph for those who compute with it.
std::vector<std::vector<Offer>> offers_of(const DecisionProcess& process);

/// The probability with which an episode begins in each state.
std::vector<double> start_of(const DecisionProcess& process);

/// Whether an episode may come to each state.
std::vector<bool> reachable(const DecisionProcess& process);

/// Checks that the graph is a decision process: probabilities are positive and sum to 1 (to 1e-8) for each
/// state and action, rewards and start weights are finite, terminal states offer nothing and begin no
/// episode, all others offer something, some episode begins, actions are in the set, names are unique.
///
/// @throws std::invalid_argument naming file, line, state and action:
///     'world.yaml:7: state "a", action "left": the probabilities sum to 0.9, expected 1'.
void validate(const DecisionProcess& process);

/// Checks that returns are finite with that discount. With discount 1 every terminal state must be
/// reachable from the start and no sequence of actions may avoid the end for ever.
///
/// @throws std::invalid_argument: 'world.yaml: with discount 1 an episode need not end: a -> b -> a'.
void validate_discount(const DecisionProcess& process, double discount);

/// The process with fewer actions.
///
/// @param allowed ids by state; nothing where the state is terminal.
/// @throws std::invalid_argument for an action that the state does not offer, or a state left without any.
DecisionProcess reduced(const DecisionProcess& process,
                        const std::vector<std::vector<int64_t>>& allowed);

}  // namespace envs
