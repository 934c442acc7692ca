#pragma once

#include <functional>
#include <optional>

#include "rl/loss.h"
#include "rl/opinion.h"

namespace rl {

struct InterpolationOptions {
  double first = 0.4;    // t before the training, in [0, 1]
  double last = 1.0;     // its largest value, from first to 1
  double rate = 5e-4;    // how far a step can go beyond the straight line, >= 0; 0: not at all
  double memory = 0.99;  // of the running mean of how the loss falls, in [0, 1)
};

/// How far the target stands between policy and prior: along a straight line over the training, and faster
/// while the loss falls.
///
/// Source: Shing et al. 2025, arXiv:2501.16937; the first loss is only remembered, as in their code.
class Interpolation {
 public:
  /// @throws std::invalid_argument for options out of range.
  explicit Interpolation(const InterpolationOptions& options);

  double t() const { return t_; }
  double momentum() const { return momentum_; }
  /// @param progress share of the training done before the update whose loss it is.
  void updated(double loss, double progress);

  void save(State& state) const;
  void load(const State& state);

 private:
  InterpolationOptions options_;
  double t_;
  double momentum_ = 0;
  std::optional<double> before_;
};

/// Imitates a target that moves from the policy to the prior in the course of the training: the
/// cross-entropy to `ops::interpolated_cross_entropy`'s p_t, in a mean whose fall moves the target.
///
/// Source: Shing et al. 2025, "TAID: Temporally Adaptive Interpolated Distillation", arXiv:2501.16937.
class Taid : public Loss {
 public:
  /// The cross-entropy to the target of each state, float32[n], at t.
  using Term = std::function<Tensor(const Opinion&, double t)>;

  Taid(const InterpolationOptions& options, Term term);

  LossOutput operator()(const LossInput& input) const override;
  void updated(const Metrics& metrics, double progress) override;
  void save(State& state) const override { interpolation_.save(state); }
  void load(const State& state) override { interpolation_.load(state); }

 private:
  Interpolation interpolation_;
  Term term_;
};

}  // namespace rl
