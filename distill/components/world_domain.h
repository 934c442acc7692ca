#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "agents/nets/mlp.h"
#include "distill/components/domain.h"
#include "rl/environment.h"
#include "rl/parallel.h"

namespace distill {

struct WorldDomainOptions {
  uint64_t seed = 1;
  rl::Threads threads;
  /// A new world of always the same kind.
  std::function<std::unique_ptr<rl::Environment>(bool restarts)> make_world;
  std::shared_ptr<agents::MlpPolicy> student;
  std::shared_ptr<const agents::MlpPolicy> teacher;  // null: the method needs none
  int64_t demonstrations = 100;  // episodes of the teacher that make the dataset
};

/// A small world: actions are few, policies are perceptrons.
class WorldDomain : public Domain {
 public:
  explicit WorldDomain(WorldDomainOptions options);

  std::shared_ptr<rl::PolicyModel> model(const std::string& name) const override;
  std::shared_ptr<const rl::Prior> judge(const ComponentSpec& judge,
                                         const agents::OfferOptions& offer) const override;
  std::shared_ptr<const rl::Readout> judge_readout(
      const ComponentSpec& judge, const agents::OfferOptions& offer) const override;
  std::unique_ptr<rl::Source> dataset() const override;
  std::unique_ptr<rl::Source> rollout(const RolloutOptions& options) const override;
  std::unique_ptr<rl::Source> segments(const SegmentsOptions& options) const override;

 private:
  std::unique_ptr<rl::Source> rollout_of(const std::shared_ptr<const agents::MlpPolicy>& policy,
                                         const agents::SamplingOptions& sampling,
                                         const std::string& role, bool own,
                                         int64_t group_size) const;

  WorldDomainOptions options_;
};

}  // namespace distill
