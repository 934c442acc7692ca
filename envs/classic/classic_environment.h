#pragma once

#include <cstdint>
#include <vector>

#include "rl/environment.h"

namespace envs {

/// A batch of small worlds simulated one by one on the host: what they have in common. Every action is
/// open in every state, with a uniform prior. A world says how an episode begins, what an action does
/// and what is seen of a state.
class ClassicEnvironment : public rl::Environment {
 public:
  const rl::EnvironmentSpec& spec() const override { return spec_; }
  rl::TimeStep reset(const rl::Tensor& episodes) override;
  rl::TimeStep step(const rl::Tensor& action_ids) override;
  void keep(const rl::Tensor& rows) override;

 protected:
  using State = std::vector<double>;
  struct Outcome {
    double reward;
    bool ended;  // for good
  };

  explicit ClassicEnvironment(rl::EnvironmentSpec spec);

  /// The state in which an episode begins: a function of its id.
  virtual State begin(int64_t episode) const = 0;
  /// Applies an action, 0 .. action_count - 1.
  virtual Outcome advance(State& state, int64_t action) const = 0;
  /// Writes what is seen of a state: as many numbers as the observation has.
  virtual void observe(const State& state, float* seen) const = 0;

 private:
  struct Row {
    int64_t episode = 0, step = 0;
    State state;
    double reward = 0;
    bool ended = false, last = false;
  };

  void start(Row& row, int64_t episode) const;
  rl::TimeStep show() const;

  rl::EnvironmentSpec spec_;
  int64_t stride_ = 0;  // a row that begins anew plays the episode so many ids later
  std::vector<Row> rows_;
};

}  // namespace envs
