#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

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
  /// A further policy that is only read, from a folder.
  std::function<std::shared_ptr<const agents::MlpPolicy>(const std::string& folder)> load_model;
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
  std::shared_ptr<const rl::PolicyModel> reference(const std::string& folder) const;
  std::unique_ptr<rl::Actor> make_actor(const ComponentSpec& actor,
                                        const agents::SamplingOptions& sampling,
                                        const std::string& role) const;
  std::unique_ptr<rl::Source> rollout_of(const RolloutOptions& options,
                                         const std::string& role) const;

  WorldDomainOptions options_;
  mutable std::map<std::string, std::shared_ptr<const rl::PolicyModel>> references_;  // by folder
};

}  // namespace distill
