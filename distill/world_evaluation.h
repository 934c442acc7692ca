#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "agents/nets/mlp.h"
#include "distill/report.h"
#include "rl/environment.h"

namespace distill {

/// How a policy of a small world is scored, the same for all policies of a run.
struct WorldTask {
  /// A new world that does not restart, of episodes that no training plays.
  std::function<std::unique_ptr<rl::Environment>()> make_world;
  std::shared_ptr<const agents::MlpPolicy> teacher;  // null: nothing is compared with a teacher
  int64_t episodes = 100;
  uint64_t seed = 1;  // of the sampled episodes that are compared
};

struct Returns {
  double mean, deviation;
};

/// Returns of episodes played greedily.
Returns greedy_returns(const std::shared_ptr<const agents::MlpPolicy>& policy,
                       const WorldTask& task);

/// Scores a policy: its greedy return, and its divergences from the teacher at the states that the
/// teacher visits and at those it visits itself.
ModelScores evaluate(const std::string& name,
                     const std::shared_ptr<const agents::MlpPolicy>& policy, const WorldTask& task);

}  // namespace distill
