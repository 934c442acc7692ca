#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "agents/language_model.h"
#include "agents/offer.h"
#include "agents/teacher_scores.h"

namespace agents {

/// How much each teacher counts: log-weights float32[B, T, M] of a trajectory with the pool's notes;
/// normalised, -inf for a teacher that is left out. Asked without gradient, from several threads.
using TeacherWeights = std::function<rl::Tensor(const rl::Trajectory&)>;

/// All teachers alike.
TeacherWeights even_weights(int64_t teachers);

/// The softmax of a gate's scores.
TeacherWeights gate_weights(std::shared_ptr<const TeacherScores> gate);

/// Even weights of a subset per answer: each teacher is taken with probability sigmoid(score), and the
/// likeliest alone where none is. Draws are functions of (seed, episode, teacher).
///
/// @param warm_up episodes, the first ones, for which all teachers are taken.
TeacherWeights subset_weights(std::shared_ptr<const TeacherScores> selector, int64_t warm_up,
                              uint64_t seed);

/// Several decoders as one teacher: their *probabilities* are mixed, by weights that may differ from state
/// to state, and the tokens on offer are those of the mixture. Vocabularies are the same, id by id.
///
/// It notes what each teacher made of each state (rl/prior_notes.h), and the weights.
class TeacherPool : public rl::Prior {
 public:
  /// @throws std::invalid_argument for no teacher, for heads of different sizes, or for options out of
  ///         range.
  TeacherPool(std::vector<Decoder> teachers, const OfferOptions& options, TeacherWeights weights);

  rl::ActionSet judge(const rl::Trajectory& trajectory) const override {
    return judged(trajectory).actions;
  }
  rl::Trajectory judged(const rl::Trajectory& trajectory) const override;

  /// The read-out of the prior features it hands out when it offers every token.
  std::shared_ptr<const rl::Readout> readout() const { return readout_; }

 private:
  // What the k-th teacher makes of each state, noted down.
  rl::Trajectory noted(const rl::Trajectory& trajectory, size_t k,
                       const rl::Tensor& features) const;
  rl::Tensor prompt_nats(const rl::Trajectory& trajectory, size_t k) const;

  std::vector<Decoder> teachers_;
  OfferOptions options_;
  TeacherWeights weights_;
  std::shared_ptr<const rl::Readout> readout_;
};

}  // namespace agents
