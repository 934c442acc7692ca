#include "distill/components/world_domain.h"

#include <algorithm>
#include <utility>

#include "agents/actors/small_world_actors.h"
#include "agents/policy_teacher.h"
#include "envs/grouped_starts.h"
#include "rl/torch.h"

namespace distill {

WorldDomain::WorldDomain(WorldDomainOptions options) : options_(std::move(options)) {}

std::shared_ptr<rl::PolicyModel> WorldDomain::model(const std::string& name) const {
  if (name == "student") return options_.student;
  throw has_no("a world", "model", name);
}

std::shared_ptr<const rl::Prior> WorldDomain::judge(const ComponentSpec& judge,
                                                    const agents::OfferOptions& offer) const {
  if (judge.name == "teacher") {
    return std::make_shared<agents::PolicyTeacher>(options_.teacher, offer);
  }
  if (judge.name == "student") {
    return std::make_shared<agents::PolicyTeacher>(options_.student, offer);
  }
  throw has_no("a world", "judge", judge);
}

std::shared_ptr<const rl::Readout> WorldDomain::judge_readout(const ComponentSpec&,
                                                              const agents::OfferOptions&) const {
  return nullptr;  // opinions of small worlds are kept as they are
}

std::unique_ptr<rl::Source> WorldDomain::rollout_of(
    const std::shared_ptr<const agents::MlpPolicy>& policy, const agents::SamplingOptions& sampling,
    const std::string& role, bool own, int64_t group_size) const {
  const auto stage = [&] {
    auto world = options_.make_world(/*restarts=*/false);
    if (group_size > 1) {
      world = std::make_unique<envs::GroupedStarts>(std::move(world), group_size);
    }
    return rl::Rollout::Stage{std::move(world), std::make_unique<agents::MlpActor>(
                                                    policy, sampling, options_.seed, role)};
  };
  return std::make_unique<rl::Rollout>(stage, options_.threads, own);
}

std::unique_ptr<rl::Source> WorldDomain::dataset() const {
  const auto played = rollout_of(options_.teacher, {}, "demonstration", /*own=*/false, 1);
  const rl::Trajectory episodes = played->collect(torch::arange(options_.demonstrations), 0);
  return std::make_unique<rl::Recorded>(episodes, options_.seed);
}

std::unique_ptr<rl::Source> WorldDomain::rollout(const RolloutOptions& options) const {
  const bool is_student = options.actor == "student";
  return rollout_of(is_student ? options_.student : options_.teacher, sampling_of(options.sampling),
                    options.actor, is_student, options.group_size);
}

std::unique_ptr<rl::Source> WorldDomain::segments(const SegmentsOptions& options) const {
  std::unique_ptr<rl::Actor> actor;
  if (options.explore == "epsilon") {
    const auto epsilon = [ramp = options.epsilon, until = options.explore_share](double progress) {
      return ramp.at(std::min(1.0, progress / until));
    };
    actor = std::make_unique<agents::EpsilonGreedy>(options_.student, epsilon, options_.seed);
  } else {
    actor = std::make_unique<agents::MlpActor>(options_.student, agents::SamplingOptions(),
                                               options_.seed, "student");
  }
  return std::make_unique<rl::Segments>(options_.make_world(/*restarts=*/true), std::move(actor),
                                        options.steps);
}

}  // namespace distill
