#include "agents/actors/mixed_logits.h"

#include <cmath>
#include <string>
#include <utility>

#include "rl/check.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

MixedLogits::MixedLogits(std::unique_ptr<NextLogits> student, std::unique_ptr<NextLogits> teacher,
                         double teacher_share)
    : student_(std::move(student)), teacher_(std::move(teacher)), share_(teacher_share) {
  rl::require(share_ >= 0 && share_ <= 1,
              "teacher_share must be in [0, 1], found " + std::to_string(share_));
}

void MixedLogits::begin(const rl::TimeStep& first) {
  student_->begin(first);
  teacher_->begin(first);
}

Tensor MixedLogits::of(const rl::TimeStep& now) {
  const Tensor log_q = student_->of(now).log_softmax(-1);
  const Tensor log_p = teacher_->of(now).log_softmax(-1);
  rl::require(log_p.size(-1) == log_q.size(-1),
              "a mixture is of two policies over the same actions, found " +
                  std::to_string(log_q.size(-1)) + " and " + std::to_string(log_p.size(-1)));
  return torch::logaddexp(log_q + std::log1p(-share_), log_p + std::log(share_));
}

void MixedLogits::keep(const Tensor& rows) {
  student_->keep(rows);
  teacher_->keep(rows);
}

}  // namespace agents
