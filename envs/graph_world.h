#pragma once

#include <cstdint>
#include <vector>

#include "envs/decision_process.h"
#include "envs/parallel_environment.h"

namespace envs {

struct GraphWorldOptions {
  uint64_t seed = 0;                // of where episodes begin and what actions lead to
  int64_t max_episode_steps = 100;  // steps
  bool restarts = false;            // rows that are over begin a new episode at the next step
  int threads = 1;                  // that step a large batch
};

/// A finite decision process as a world; `graph_solver.h` says what it is worth. Observation:
/// float32[states], one-hot. Where all states offer every action the action set is full; else a state
/// offers its own actions in order of their ids, with empty slots behind.
class GraphWorld : public ParallelEnvironment {
 public:
  /// @throws std::invalid_argument if the graph is no decision process (see `validate`).
  GraphWorld(const DecisionProcess& process, const GraphWorldOptions& options);

  const DecisionProcess& process() const { return process_; }

 protected:
  void begin(uint64_t episode, std::span<double> state) const override;
  Outcome advance(std::span<double> state, int64_t action, const Moment& now) const override;
  void observe(std::span<const double> state, std::span<float> seen) const override;
  std::span<const int64_t> open_actions(std::span<const double> state) const override;

 private:
  DecisionProcess process_;
  std::vector<std::vector<Offer>> offers_;     // by state
  std::vector<std::vector<int64_t>> actions_;  // of the offers
  std::vector<double> start_;                  // probability by state
  uint64_t start_key_, outcome_key_;
};

}  // namespace envs
