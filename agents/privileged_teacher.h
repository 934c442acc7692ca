#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "agents/lm_teacher.h"

namespace agents {

/// A decoder that judges answers after another prompt than the one they were given to: one with a text
/// that their writer did not see. Row P' - 1 + t of what it reads, P' its own prompt's length, speaks of
/// the t-th token of the answer.
class PrivilegedTeacher : public rl::Prior {
 public:
  /// The ids that it reads in place of an episode's prompt.
  using PromptOf = std::function<std::vector<int64_t>(int64_t episode)>;

  /// @throws std::invalid_argument for options out of range.
  PrivilegedTeacher(Decoder decoder, const OfferOptions& options, PromptOf prompt_of);

  /// @throws std::invalid_argument naming an episode whose prompt is empty.
  rl::ActionSet judge(const rl::Trajectory& trajectory) const override;

  std::shared_ptr<const rl::Readout> readout() const { return teacher_.readout(); }

 private:
  LmTeacher teacher_;
  PromptOf prompt_of_;
};

/// The same answers after other prompts: observation and start of the trajectory are replaced.
///
/// @param prompts ids, one list per row.
rl::Trajectory with_prompts(const rl::Trajectory& trajectory,
                            const std::vector<std::vector<int64_t>>& prompts);

}  // namespace agents
