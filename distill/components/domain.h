#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "agents/actors/speculative.h"
#include "agents/offer.h"
#include "agents/sampler.h"
#include "distill/component_options.h"
#include "distill/spec.h"
#include "rl/policy.h"
#include "rl/source.h"

namespace distill {

/// What a run acts in, text or a small world, with those who act there. Components are made from it
/// and never ask which it is.
class Domain {
 public:
  virtual ~Domain() = default;

  /// A model that learns: "student", or another that the domain knows.
  ///
  /// @throws ConfigError for a name that it does not know.
  virtual std::shared_ptr<rl::PolicyModel> model(const std::string& name) const = 0;

  /// A judge's opinion of visited states.
  ///
  /// @throws ConfigError for a judge that the domain has not.
  virtual std::shared_ptr<const rl::Prior> judge(const ComponentSpec& judge,
                                                 const agents::OfferOptions& offer) const = 0;

  /// What changes that judge between collections; null where nothing does.
  virtual std::shared_ptr<rl::Follower> follower(const ComponentSpec& judge) const {
    (void)judge;
    return nullptr;
  }

  /// The read-out of the prior features that a judge hands out; null where it hands out none.
  virtual std::shared_ptr<const rl::Readout> judge_readout(
      const ComponentSpec& judge, const agents::OfferOptions& offer) const = 0;

  /// Episodes that are there already: written answers, or what the teacher has once played.
  virtual std::unique_ptr<rl::Source> dataset() const = 0;

  /// Pairs of the dataset's episodes to be mixed (rl/pairs.h).
  ///
  /// @param beta_shape of their shares; 0: each with itself.
  /// @throws ConfigError where observations cannot be mixed.
  virtual std::unique_ptr<rl::Source> pairs(double beta_shape) const;

  /// Whole episodes played by the student or by the teacher.
  virtual std::unique_ptr<rl::Source> rollout(const RolloutOptions& options) const = 0;

  /// Labelled texts, several to an episode.
  ///
  /// @throws ConfigError where the domain has none.
  virtual std::unique_ptr<rl::Source> groups(const GroupsOptions& options) const;

  /// What only the domain itself can pay for, by name.
  ///
  /// @throws ConfigError for what it does not pay.
  virtual std::shared_ptr<const rl::Payer> payer(const std::string& name) const;

  /// Pieces of the student's episodes in worlds that restart by themselves.
  ///
  /// @throws ConfigError where the domain has no such worlds.
  virtual std::unique_ptr<rl::Source> segments(const SegmentsOptions& options) const = 0;
};

/// The error for a model or a judge that a domain has not.
ConfigError has_no(const std::string& domain, const std::string& what, const ComponentSpec& named);

agents::SamplingOptions sampling_of(const SamplingOptions& options);
/// @param student how the student proposes.
agents::SpeculativeOptions speculative_of(const SpeculativeActorOptions& options,
                                          const agents::SamplingOptions& student);

}  // namespace distill
