#pragma once

#include <cstdint>
#include <string>

#include "rl/policy.h"

namespace agents {

struct TeacherScoresOptions {
  int64_t teachers = 0;
  int64_t hidden = 0;        // width of the hidden layer; 0: none
  bool per_token = false;    // a score in each state, or one per answer
  bool knows_label = false;  // whether it sees what teachers made of the tokens taken
  std::string prefix = "";   // of the notes it learns from
  uint64_t seed = 1;         // of the initial weights
  torch::Device device = torch::kCPU;
};

/// One number per teacher from what is noted of the teachers (rl/prior_notes.h): the logits of a gate
/// over them, or of who is chosen. It begins even: every score is 0.
///
/// It sees of each teacher the mean -log p of the prompt, the probability of its likeliest token and the
/// entropy, and, where it may, -log p of the tokens taken; -log p and entropy are divided by the log of the
/// vocabulary's size. Per answer these are means over its tokens.
class TeacherScores : public rl::PolicyModel {
 public:
  /// @throws std::invalid_argument for sizes out of range.
  explicit TeacherScores(const TeacherScoresOptions& options);

  /// The scores as features, [B, T, M], of the notes with the prefix of the options.
  rl::PolicyOutput evaluate(const rl::Trajectory& trajectory) const override;
  rl::NamedTensors parameters() const override;
  std::unique_ptr<rl::PolicyModel> clone() const override;

  /// float32[B, T, M]. @param prefix of the notes.
  rl::Tensor scores(const rl::Trajectory& trajectory, const std::string& prefix) const;

  const TeacherScoresOptions& options() const { return options_; }

 private:
  rl::Tensor inputs(const rl::Trajectory& trajectory, const std::string& prefix) const;

  TeacherScoresOptions options_;
  rl::Tensor hidden_weight_, hidden_bias_;  // undefined without a hidden layer
  rl::Tensor weight_, bias_;
};

}  // namespace agents
