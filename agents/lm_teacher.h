#pragma once

#include <cstdint>
#include <memory>

#include "agents/language_model.h"
#include "agents/offer.h"
#include "envs/token/teacher_oracle.h"

namespace agents {

/// A decoder as a teacher: judges whole sequences in one pass, or follows them token by token.
class LmTeacher : public envs::TeacherOracle {
 public:
  /// @throws std::invalid_argument for options out of range.
  LmTeacher(Decoder decoder, const OfferOptions& options);

  rl::ActionSet judge(const rl::Trajectory& trajectory) const override;
  rl::ActionSet judge_by(const rl::PolicyOutput& states,
                         const rl::Trajectory& trajectory) const override;
  int64_t vocabulary_size() const override { return decoder_->vocabulary_size(); }
  rl::ActionSet begin(const rl::Tensor& ids, const rl::Tensor& length) override;
  rl::ActionSet advance(const rl::Tensor& ids) override;
  void keep(const rl::Tensor& rows) override { reader_.keep(rows); }

  /// The read-out of the prior features it hands out when it offers every token.
  std::shared_ptr<const rl::Readout> readout() const { return readout_; }
  /// Tokens that prefixes may grow by after `begin`.
  void set_room(int64_t tokens) { room_ = tokens; }

 private:
  rl::ActionSet offer_next(const rl::Tensor& logits) const;

  Decoder decoder_;
  OfferOptions options_;
  std::shared_ptr<const rl::Readout> readout_;
  PrefixReader reader_;
  int64_t room_ = 0;
};

}  // namespace agents
