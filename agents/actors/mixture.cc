#include "agents/actors/mixture.h"

#include <cmath>
#include <string>
#include <utility>

#include "rl/check.h"
#include "rl/random.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

Mixture::Mixture(std::unique_ptr<NextLogits> student, std::unique_ptr<NextLogits> teacher,
                 const MixtureOptions& options, uint64_t seed, std::string_view role)
    : student_(std::move(student)),
      teacher_(std::move(teacher)),
      options_(options),
      key_(rl::role_key(seed, role)) {
  options.sampling.validate();
  rl::require(options.teacher_share >= 0 && options.teacher_share <= 1,
              "teacher_share must be in [0, 1], found " + std::to_string(options.teacher_share));
}

void Mixture::begin(const rl::TimeStep& first) {
  student_->begin(first);
  teacher_->begin(first);
}

rl::Choice Mixture::act(const rl::TimeStep& now) {
  torch::NoGradGuard no_grad;
  const Tensor log_q = student_->of(now).log_softmax(-1);
  const Tensor log_p = teacher_->of(now).log_softmax(-1);
  rl::require(log_p.size(-1) == log_q.size(-1),
              "a mixture is of two policies over the same actions, found " +
                  std::to_string(log_q.size(-1)) + " and " + std::to_string(log_p.size(-1)));
  const double share = options_.teacher_share;
  const Tensor mixed = torch::logaddexp(log_q + std::log1p(-share), log_p + std::log(share));
  return sample(mixed, options_.sampling, rl::uniform(key_, now.episode, now.step));
}

void Mixture::keep(const Tensor& rows) {
  student_->keep(rows);
  teacher_->keep(rows);
}

}  // namespace agents
