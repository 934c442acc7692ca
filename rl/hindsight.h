#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "rl/parallel.h"
#include "rl/policy.h"
#include "rl/reward.h"
#include "rl/source.h"

namespace rl {

/// What stands before the name of a note about the last batch.
inline const std::string kPast = "past.";

/// Notes in every batch what the last one was worth to the policy *after it had learned from it*, for
/// whoever decided how it was to be learned from.
///
/// Row i is told of row i of the last batch, the same in every column: the mean over its trained steps of
/// each of its notes, and
///
/// | note | what |
/// | --- | --- |
/// | past.value | the mean of the reward, under the policy as it is now |
/// | past.held_out | exp(-loss) of the last measurement on held-out data; 0 before the first |
/// | past.episode | its number |
/// | past.known | 1, or 0 where there was no last batch |
class Hindsight : public Source {
 public:
  /// @param prior_readout of the prior features that a restored batch holds, if it does.
  /// @param part_tokens states looked at at a time per shard.
  Hindsight(std::unique_ptr<Source> source, std::shared_ptr<const PolicyModel> policy,
            Reward reward, std::shared_ptr<const Readout> prior_readout, const Threads& threads,
            int64_t part_tokens);
  Trajectory collect(const Tensor& episodes, double progress) override;
  void measured(double loss) override;
  /// The last batch is part of a checkpoint, its prior included.
  void save(State& state) const override;
  void load(const State& state) override;

 private:
  // Notes of a batch as they are handed on, of nothing known where there was none before: float32[B, 1].
  std::map<std::string, Tensor> past_of(const Trajectory& batch) const;
  Tensor worth() const;

  std::unique_ptr<Source> source_;
  std::shared_ptr<const PolicyModel> policy_;
  Reward reward_;
  std::shared_ptr<const Readout> prior_readout_;
  Threads threads_;
  int64_t part_tokens_;
  std::optional<Trajectory> last_;
  double held_out_ = 0;
};

}  // namespace rl
