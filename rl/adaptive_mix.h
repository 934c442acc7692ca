#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "rl/replay_buffer.h"
#include "rl/source.h"

namespace rl {

struct AdaptiveShareOptions {
  double first = 0;        // before the held-out loss has risen, in [0, 1]
  double step = 0.1;       // added whenever it has, up to 1
  double tolerance = 0.1;  // by how much it must have risen, in the loss's own unit
  /// What a loss is compared with: the one of the last rise, or the one measured before.
  bool against_last = false;
};

/// A share that grows whenever a held-out loss has risen: what was learned from no longer helps.
///
/// The first loss it is told is only what the next is compared with.
///
/// Source: Ko et al. 2024, arXiv:2402.03898, adaptive scheduler; compared with the loss of the last rise
///         as in their code, or with the one before (`against_last`) as in the paper.
class AdaptiveShare {
 public:
  /// @throws std::invalid_argument for options out of range.
  explicit AdaptiveShare(const AdaptiveShareOptions& options);

  double value() const { return value_; }
  void measured(double loss);

  void save(State& state) const;
  void load(const State& state);

 private:
  AdaptiveShareOptions options_;
  double value_;
  std::optional<double> reference_;
};

struct AdaptiveMixOptions {
  AdaptiveShareOptions share = {};
  /// How much of the share is written anew, by progress, in [0, 1]; the rest is replayed.
  std::function<double(double)> fresh = [](double progress) { return 1 - progress; };
  int64_t capacity = 1000;   // of the policy's own episodes that are kept for replay
  bool draw_always = false;  // what was written anew is kept, and a batch drawn, instead of learned
};

/// Whose batch is learned from.
enum class Turn { kFirst, kFresh, kReplay };

/// Another source in turns with the policy's own episodes, written anew or drawn from those it wrote
/// before. The share of its own adapts to the held-out loss; a batch is of one kind.
///
/// Source: Ko et al. 2024, arXiv:2402.03898.
class AdaptiveMix : public TwoSources {
 public:
  /// @param second the policy that learns.
  /// @param seed of the turns, which are functions of the episode ids, and of the draws.
  AdaptiveMix(std::unique_ptr<Source> first, std::unique_ptr<Source> second,
              AdaptiveMixOptions options, uint64_t seed);

  /// @throws std::invalid_argument for more episodes than are kept.
  Trajectory collect(const Tensor& episodes, double progress) override;
  void measured(double loss) override;
  void save(State& state) const override;
  void load(const State& state) override;

  double share() const { return share_.value(); }
  /// @param u in [0, 1). @param share of the policy's own. @param fresh how much of it is written anew.
  static Turn turn(double u, double share, double fresh, bool is_full);

 private:
  AdaptiveMixOptions options_;
  AdaptiveShare share_;
  ReplayBuffer written_;
  uint64_t key_;
};

}  // namespace rl
