#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "agents/language_model.h"
#include "envs/token/alignment.h"
#include "envs/token/tokenizer.h"

namespace agents {

struct ForeignTeacherOptions {
  /// What is compared: the n-th tokens of both answers, or groups of tokens that stand for the same bytes.
  bool by_bytes = false;
  /// Of a group: at its last token, given the others ("bayesian"), or at its first, followed by the others
  /// ("observed").
  bool at_last = true;
  double temperature = 1;  // > 0
};

/// A decoder with a tokenizer of its own as a judge of text that another has cut: reads prompt and answer as
/// text, cuts them its way, and says where the two can be compared (see rl::Aligned).
///
/// Its prior is over the union of the vocabularies: the student's tokens in their order, those that it
/// spells alike among them, then its other tokens.
class ForeignTeacher : public rl::Prior {
 public:
  /// @throws std::invalid_argument for options out of range.
  ForeignTeacher(Decoder decoder, std::shared_ptr<const envs::Tokenizer> own,
                 std::shared_ptr<const envs::Tokenizer> students,
                 const ForeignTeacherOptions& options);

  rl::ActionSet judge(const rl::Trajectory& trajectory) const override {
    return judged(trajectory).actions;
  }
  rl::Trajectory judged(const rl::Trajectory& trajectory) const override;

  std::shared_ptr<const rl::Readout> readout() const { return readout_; }

 private:
  std::vector<envs::Retokenized> read(const rl::Trajectory& trajectory) const;
  // The log-probability of each of the teacher's own tokens.
  rl::Tensor log_probs(const HiddenStates& states, const rl::Trajectory& answers) const;

  Decoder decoder_;
  std::shared_ptr<const envs::Tokenizer> own_, students_;
  ForeignTeacherOptions options_;
  std::shared_ptr<const rl::Readout> readout_;
};

}  // namespace agents
