#include "agents/lm_teacher.h"

#include <string>

#include "rl/check.h"
#include "rl/torch.h"

namespace agents {

using rl::ActionSet;
using rl::Tensor;

LmTeacher::LmTeacher(Decoder decoder, const OfferOptions& options)
    : decoder_(decoder),
      options_(options),
      readout_(std::make_shared<rl::Readout>(
          rl::Readout{decoder->head_weight().detach(), {}, options.temperature})),
      reader_(decoder) {
  rl::require(options.temperature > 0, "the teacher's temperature must be > 0, found " +
                                           std::to_string(options.temperature));
}

ActionSet LmTeacher::judge(const rl::Trajectory& t) const {
  torch::NoGradGuard no_grad;
  const HiddenStates states = hidden_states(decoder_, t, options_.temperature);
  return offer_in_chunks(states.features, readout_, options_, t);
}

ActionSet LmTeacher::judge_by(const rl::PolicyOutput& states, const rl::Trajectory& t) const {
  torch::NoGradGuard no_grad;
  return offer_in_chunks(states.features, readout_, options_, t);
}

ActionSet LmTeacher::offer_next(const Tensor& logits) const {
  return offer((logits / options_.temperature).log_softmax(-1), options_);
}

ActionSet LmTeacher::begin(const Tensor& ids, const Tensor& length) {
  torch::NoGradGuard no_grad;
  return offer_next(reader_.begin(ids, length, room_));
}

ActionSet LmTeacher::advance(const Tensor& ids) {
  torch::NoGradGuard no_grad;
  return offer_next(reader_.advance(ids));
}

}  // namespace agents
