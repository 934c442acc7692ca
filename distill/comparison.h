#pragma once

#include <cstdint>
#include <optional>

#include "agents/offer.h"
#include "rl/parallel.h"
#include "rl/policy.h"

namespace distill {

struct ComparisonOptions {
  agents::OfferOptions offer;  // the action set whose mass is reported
  int64_t micro_batch_tokens = 8192;
  rl::Threads threads;
};

/// Means over the states of some episodes.
struct Comparison {
  struct ToTeacher {
    double forward_kl, reverse_kl;  // nats
    double top1_agreement;          // share of states where both find the same action likeliest
    double teacher_mass, student_mass;
  };

  double states = 0;  // how many
  double nats = 0;    // -log q of the action taken
  std::optional<ToTeacher> to_teacher;
};

/// What a policy makes of the actions taken, and how far it is from its teacher there.
///
/// @param teacher offers every action; null: there is none.
Comparison compare_policies(const rl::PolicyModel& model, const rl::Prior* teacher,
                            const rl::Trajectory& trajectory, const ComparisonOptions& options);

}  // namespace distill
