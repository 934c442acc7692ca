#pragma once

#include <string>
#include <vector>

#include "agents/nets/decoder.h"
#include "envs/token/token_tree.h"

namespace toy {

/// A language of five letters, a to e, and an end: prompts of one letter, answers of up to three. Small enough
/// to write out every answer, large enough that every part of a text run is real.
class LettersWorld {
 public:
  static constexpr int64_t kVocabulary = 6, kEnd = 0, kLongest = 3;

  /// Writes a tokenizer, a teacher and what it wrote (text.jsonl) to a folder.
  explicit LettersWorld(std::string folder);

  const std::string& folder() const { return folder_; }
  std::string teacher() const { return folder_ + "/teacher"; }
  std::string text() const { return folder_ + "/text.jsonl"; }
  /// As the value of `student:` in a run file: random weights of the teacher's shape.
  static std::string student_config();

  /// KL over whole answers, in nats, mean over the prompts.
  double forward_kl(const agents::Decoder& student) const;  // of the teacher's answers
  double reverse_kl(const agents::Decoder& student) const;  // of the student's
  /// `forward_kl` of answers that are not empty, the only ones that the written text holds.
  double written_kl(const agents::Decoder& student) const;
  /// `forward_kl` to the teacher's answers to the letter that the text holds as "told", the next one.
  double told_kl(const agents::Decoder& student) const;
  /// Expected log-probability that the teacher gives to an answer of the student: 0 at most, and the best
  /// there is `best_likelihood`.
  double teacher_likelihood(const agents::Decoder& student) const;
  double best_likelihood() const;

 private:
  envs::ByLevel log_probs(const agents::Decoder& model, int64_t prompt) const;
  template <typename F>
  double mean_over_prompts(F f) const;

  std::string folder_;
  envs::TokenTree tree_;
  agents::Decoder teacher_{nullptr};
};

}  // namespace toy
