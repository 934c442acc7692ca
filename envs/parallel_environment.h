#pragma once

#include <cstdint>
#include <span>

#include "rl/environment.h"
#include "rl/parallel.h"

namespace envs {

/// Any number of small worlds of one kind, stepped side by side on the host: what such worlds have in
/// common. A world says how an episode begins, what an action does and what is seen of a state; its
/// state is a few numbers. Large batches are stepped by several threads, each some rows at a time,
/// and which thread steps what has no influence on results.
class ParallelEnvironment : public rl::Environment {
 public:
  const rl::EnvironmentSpec& spec() const override { return spec_; }
  rl::TimeStep reset(const rl::Tensor& episodes) override;
  rl::TimeStep step(const rl::Tensor& action_ids) override;
  void keep(const rl::Tensor& rows) override;
  void save(rl::State& state) const override;
  rl::TimeStep load(const rl::State& state) override;

 protected:
  struct Outcome {
    double reward;
    bool ended;  // for good
  };
  /// What the random draws of a step are functions of.
  struct Moment {
    uint64_t episode, step;
  };

  /// @param state_size numbers that make up a state.
  /// @param threads that step a large batch; small ones are stepped where they are asked for.
  /// @param every_action whether every action is open in every state; else see `open_actions`.
  ParallelEnvironment(rl::EnvironmentSpec spec, int64_t state_size, int threads,
                      bool every_action = true);

  // The following are called from several threads at once.

  /// Writes the state in which an episode begins: a function of its id.
  virtual void begin(uint64_t episode, std::span<double> state) const = 0;
  /// Applies an action that is open in the state.
  virtual Outcome advance(std::span<double> state, int64_t action, const Moment& now) const = 0;
  /// Writes what is seen of a state.
  virtual void observe(std::span<const double> state, std::span<float> seen) const = 0;
  /// The actions open in a state, at least one and at most `EnvironmentSpec::max_actions`; asked only of worlds
  /// in which not every action is. Their prior is uniform.
  virtual std::span<const int64_t> open_actions(std::span<const double> state) const;

 private:
  struct Rows;

  rl::TimeStep blank(int64_t batch) const;
  std::span<double> state_of(int64_t row) const;
  void check(const int64_t* actions) const;
  bool is_open(int64_t row, int64_t action) const;
  void take(const Rows& from, const Rows& to, int64_t row, int64_t action) const;
  void start(const Rows& to, int64_t row, int64_t episode) const;
  void rest(const Rows& from, const Rows& to, int64_t row) const;
  void show(const Rows& to, int64_t row) const;

  rl::EnvironmentSpec spec_;
  int64_t state_size_, seen_size_;
  bool every_action_;
  rl::Workers workers_;
  int64_t stride_ = 0;  // a row that begins anew plays the episode so many ids later
  rl::TimeStep now_;
  rl::Tensor states_;  // float64[B, state_size]
};

}  // namespace envs
