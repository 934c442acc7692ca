#include "agents/lm_teacher.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "rl/check.h"
#include "rl/torch.h"

namespace agents {

using rl::ActionSet;
using rl::Tensor;

namespace {

// Logits worked out at a time: 4 MB of float32.
constexpr int64_t kChunkElements = int64_t{1} << 20;

ActionSet join(const std::vector<ActionSet>& parts) {
  std::vector<Tensor> ids, log_probs, tails;
  for (const ActionSet& part : parts) {
    ids.push_back(part.ids);
    log_probs.push_back(part.prior_log_probs);
    tails.push_back(part.tail_log_prob);
  }
  return {torch::cat(ids), torch::cat(log_probs), torch::cat(tails), {}, nullptr};
}

}  // namespace

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
  if (options_.kind == OfferOptions::Kind::all) return {{}, {}, {}, states.features, readout_};
  const Tensor features = states.features.flatten(0, 1);
  const Tensor taken = t.action.masked_fill(t.mask.logical_not(), -1).flatten();
  const Tensor draws = draws_for(options_, t);
  const int64_t step = std::max<int64_t>(1, kChunkElements / vocabulary_size());
  std::vector<ActionSet> parts;
  for (int64_t begin = 0; begin < features.size(0); begin += step) {
    const int64_t count = std::min(step, features.size(0) - begin);
    const Tensor log_probs = readout_->logits(features.narrow(0, begin, count)).log_softmax(-1);
    parts.push_back(offer(log_probs, options_, taken.narrow(0, begin, count),
                          draws.defined() ? draws.narrow(0, begin, count) : draws));
  }
  return join(parts).map([&](const Tensor& x) { return x.unflatten(0, {t.size(), t.length()}); });
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
