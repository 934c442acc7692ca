#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "agents/nets/decoder.h"
#include "agents/next_logits.h"
#include "agents/sampler.h"
#include "rl/policy.h"

namespace agents {

/// Interleaved acting: the student proposes an action, which stands if it is among the teacher's K likeliest;
/// else the teacher draws another. What is done is distributed as
///
///     b(a) = 1[a in top K] q(a) + (1 - q(top K)) p(a),
///
/// q and p being what sampling makes of the student and of the teacher, the top K that of its raw logits.
///
/// Source: Xu et al. 2025, arXiv:2410.11325 (speculative knowledge distillation).
struct SpeculativeOptions {
  int64_t k = 25;
  int64_t decay_tokens = 0;  // steps over which k falls to 1; 0: it stays
  SamplingOptions student = {}, teacher = {};

  /// K of each step: int64[B].
  rl::Tensor k_at(const rl::Tensor& step) const;
  /// @throws std::invalid_argument naming what is out of range.
  void validate() const;
};

struct Interleaved {
  rl::Tensor action_ids;  // int64[B]
  rl::Tensor log_prob;    // float32[B], log b of it
  rl::Tensor accepted;    // bool[B], it is what the student proposed
};

/// One interleaved action per row.
///
/// @param log_q float32[B, A], the distribution that the proposals were drawn from.
/// @param proposed int64[B].
/// @param teacher_logits float32[B, A], raw.
/// @param step int64[B]. Actions as likely as the K-th are among the K likeliest.
/// @param uniform float64[B], the teacher's draws.
Interleaved interleave(const rl::Tensor& log_q, const rl::Tensor& proposed,
                       const rl::Tensor& teacher_logits, const rl::Tensor& step,
                       const SpeculativeOptions& options, const rl::Tensor& uniform);

/// The draws of both sides, functions of the episode and the step alone.
class SpeculativeDraws {
 public:
  SpeculativeDraws(uint64_t seed, std::string_view role);
  rl::Tensor of_student(const rl::Tensor& episode, const rl::Tensor& step) const;
  rl::Tensor of_teacher(const rl::Tensor& episode, const rl::Tensor& step) const;

 private:
  uint64_t student_key_, teacher_key_;
};

/// Acts interleaved, asking both policies at every step.
class SpeculativeActor : public rl::Actor {
 public:
  SpeculativeActor(std::unique_ptr<NextLogits> student, std::unique_ptr<NextLogits> teacher,
                   const SpeculativeOptions& options, uint64_t seed, std::string_view role);

  void begin(const rl::TimeStep& first) override;
  rl::Choice act(const rl::TimeStep& now) override;
  void keep(const rl::Tensor& rows) override;

 private:
  std::unique_ptr<NextLogits> student_, teacher_;
  SpeculativeOptions options_;
  SpeculativeDraws draws_;
};

/// Writes the same text in blocks: the student drafts some tokens, the teacher looks at them in one pass, and
/// the longest beginning that stands is kept, with the teacher's token in place of the first that does not.
/// Rows that are ahead wait, their tokens queued.
class SpeculativeWriter : public rl::Actor {
 public:
  struct Text {
    int64_t max_new_tokens = 0;    // longest answer
    std::vector<int64_t> end_ids;  // tokens that end one
    int64_t draft_tokens = 5;      // at a time
  };

  SpeculativeWriter(Decoder student, Decoder teacher, const SpeculativeOptions& options, Text text,
                    uint64_t seed, std::string_view role);

  void begin(const rl::TimeStep& first) override;
  rl::Choice act(const rl::TimeStep& now) override;
  void keep(const rl::Tensor& rows) override;

  /// Passes of the teacher since the last `begin`.
  int64_t teacher_passes() const { return teacher_passes_; }

 private:
  // A model with the text it has read: all tokens of each row but the last.
  struct Reader {
    Decoder decoder{nullptr};
    std::optional<KeyValueCache> cache;

    rl::Tensor read(const rl::Tensor& ids, const std::vector<int64_t>& counts);
    rl::Tensor logits(const rl::Tensor& hidden) const;
  };
  // An answer as far as it stands.
  struct Answer {
    int64_t prompt = 0;  // tokens before it
    int64_t last = 0;    // the last token, not read yet
    bool over = false;
    std::vector<int64_t> ids;
    std::vector<float> log_probs;
  };
  // What the student proposes, and out of what.
  struct Draft {
    std::vector<rl::Tensor> log_q, proposed;  // of each place: float32[B, V], int64[B]
  };

  int64_t room(const Answer& answer) const;
  std::vector<int64_t> counts(int64_t tokens) const;
  rl::Tensor lengths() const;
  void write_block();
  Draft propose(int64_t tokens);
  std::vector<Interleaved> examine(const Draft& draft);
  void take(const std::vector<Interleaved>& looked);

  Reader student_, teacher_;
  SpeculativeOptions options_;
  Text text_;
  SpeculativeDraws draws_;
  rl::Tensor episode_;  // int64[B]
  std::vector<Answer> answers_;
  int64_t teacher_passes_ = 0;
};

}  // namespace agents
