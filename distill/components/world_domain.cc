#include "distill/components/world_domain.h"

#include <algorithm>
#include <utility>

#include "agents/actors/mixed_logits.h"
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

// The student is copied when it is first asked for, which is before it learns.
std::shared_ptr<const rl::PolicyModel> WorldDomain::reference(const std::string& folder) const {
  std::shared_ptr<const rl::PolicyModel>& model = references_[folder];
  if (model) return model;
  if (folder.empty()) {
    model = options_.student->clone();
  } else {
    model = options_.load_model(folder);
  }
  return model;
}

std::shared_ptr<const rl::Prior> WorldDomain::judge(const ComponentSpec& judge,
                                                    const agents::OfferOptions& offer) const {
  if (judge.name == "teacher") {
    return std::make_shared<agents::PolicyTeacher>(options_.teacher, offer);
  }
  if (judge.name == "student") {
    return std::make_shared<agents::PolicyTeacher>(options_.student, offer);
  }
  if (judge.name == "reference") {
    const auto found = bound<ReferenceJudgeOptions>(judge.options);
    return std::make_shared<agents::PolicyTeacher>(reference(found.path), offer);
  }
  throw has_no("a world", "judge", judge);
}

std::shared_ptr<const rl::Readout> WorldDomain::judge_readout(const ComponentSpec&,
                                                              const agents::OfferOptions&) const {
  return nullptr;  // opinions of small worlds are kept as they are
}

std::unique_ptr<rl::Actor> WorldDomain::make_actor(const ComponentSpec& actor,
                                                   const agents::SamplingOptions& sampling,
                                                   const std::string& role) const {
  if (actor.name == "mixture") {
    const auto found = bound<MixtureActorOptions>(actor.options);
    return std::make_unique<agents::LogitsActor>(
        std::make_unique<agents::MixedLogits>(std::make_unique<agents::MlpLogits>(options_.student),
                                              std::make_unique<agents::MlpLogits>(options_.teacher),
                                              found.teacher_share),
        sampling, options_.seed, role);
  }
  if (actor.name == "speculative") {
    return std::make_unique<agents::SpeculativeActor>(
        std::make_unique<agents::MlpLogits>(options_.student),
        std::make_unique<agents::MlpLogits>(options_.teacher),
        speculative_of(bound<SpeculativeActorOptions>(actor.options), sampling), options_.seed,
        role);
  }
  return std::make_unique<agents::MlpActor>(
      actor.name == "student" ? options_.student : options_.teacher, sampling, options_.seed, role);
}

std::unique_ptr<rl::Source> WorldDomain::rollout_of(const RolloutOptions& options,
                                                    const std::string& role) const {
  const ComponentSpec actor = component(options.actor);
  const agents::SamplingOptions sampling = sampling_of(options.sampling);
  const auto stage = [&] {
    auto world = options_.make_world(/*restarts=*/false);
    if (options.group_size > 1) {
      world = std::make_unique<envs::GroupedStarts>(std::move(world), options.group_size);
    }
    return rl::Rollout::Stage{std::move(world), make_actor(actor, sampling, role)};
  };
  return std::make_unique<rl::Rollout>(stage, options_.threads,
                                       actor.name == "student" && sampling.is_plain());
}

std::unique_ptr<rl::Source> WorldDomain::dataset() const {
  const auto played = rollout_of({.actor = "teacher"}, "demonstration");
  const rl::Trajectory episodes = played->collect(torch::arange(options_.demonstrations), 0);
  return std::make_unique<rl::Recorded>(episodes, options_.seed);
}

std::unique_ptr<rl::Source> WorldDomain::rollout(const RolloutOptions& options) const {
  return rollout_of(options, component(options.actor).name);
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
