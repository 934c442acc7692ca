#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "rl/loss.h"
#include "rl/losses/imitation.h"

namespace rl {

/// Under this name a reward term finds the share of the mixture that a state asks for (Trajectory::notes).
inline constexpr const char* kSkewNote = "skew";

struct ContrastOptions {
  /// The loss is multiplied by it, by progress of the training.
  std::function<double(double)> factor = [](double) { return 1.0; };
  /// Whether the responses are the prior's: their gap is the mean probability that the prior gives the tokens
  /// of a response less that of the policy, else the other way round.
  bool by_prior = true;
  /// The largest share of the mixture where it follows the gap; undefined: it is the term's own.
  std::optional<double> largest_skew = std::nullopt;
};

/// One side of a contrast: imitation of its reward on one of the two responses to every prompt, with a weight
/// that may change, and, in a curriculum, with a share of the mixture that a response's gap decides:
///
///     alpha = clip(1 - (1 - largest) m / (gap + 1e-5), 0.01, largest)
///
/// with m the mean gap of the updates so far: responses on which the two differ much are compared with less
/// of a mixture. The gap is that of the policy that collected; before the first update alpha is `largest`.
///
/// Source: Ko et al. 2025, "DistiLLM-2", arXiv:2503.07067.
class Contrast : public Loss {
 public:
  explicit Contrast(ContrastOptions options);

  bool prepares() const override { return options_.largest_skew.has_value(); }
  Trajectory prepare(const Trajectory& part, const PolicyModel& policy,
                     const Reward& reward) const override;
  LossOutput operator()(const LossInput& input) const override;
  void updated(const Metrics& metrics, double progress) override;
  void save(State& state) const override;
  void load(const State& state) override;

  /// float32[...] the share of the mixture for responses with these gaps.
  static Tensor skew(const Tensor& gap, double mean_gap, double largest);

 private:
  std::string gap_name() const { return options_.by_prior ? "gap/prior" : "gap/policy"; }

  ContrastOptions options_;
  Imitation imitation_;
  double progress_ = 0;
  double mean_gap_ = 0;
  int64_t updates_ = 0;
};

}  // namespace rl
