#pragma once

#include <cstdint>
#include <memory>

#include "agents/offer.h"
#include "agents/sampler.h"
#include "distill/component_options.h"
#include "rl/policy.h"
#include "rl/source.h"

namespace distill {

/// What a run acts in, text or a small world, with those who act there. Components are made from it
/// and never ask which it is.
class Domain {
 public:
  virtual ~Domain() = default;

  /// The policy that learns.
  virtual std::shared_ptr<rl::PolicyModel> student() const = 0;

  /// The teacher's opinion of visited states.
  virtual std::shared_ptr<const rl::Prior> teacher(const agents::OfferOptions& offer) const = 0;

  /// The read-out of the prior features that the teacher hands out; null where it hands out none.
  virtual std::shared_ptr<const rl::Readout> teacher_readout(
      const agents::OfferOptions& offer) const = 0;

  /// Episodes that are there already: written answers, or what the teacher has once played.
  virtual std::unique_ptr<rl::Source> dataset() const = 0;

  /// Whole episodes played by the student or by the teacher.
  virtual std::unique_ptr<rl::Source> rollout(const RolloutOptions& options) const = 0;

  /// Pieces of the student's episodes in worlds that restart by themselves.
  ///
  /// @throws ConfigError where the domain has no such worlds.
  virtual std::unique_ptr<rl::Source> segments(const SegmentsOptions& options) const = 0;
};

agents::SamplingOptions sampling_of(const SamplingOptions& options);

}  // namespace distill
