#include "agents/teacher_pool.h"

#include <cmath>
#include <string>
#include <utility>

#include "rl/check.h"
#include "rl/opinion.h"
#include "rl/ops/masked.h"
#include "rl/ops/mixture.h"
#include "rl/prior_notes.h"
#include "rl/random.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

namespace {

// The prompts of a trajectory as actions taken, on the host.
rl::Trajectory prompts_of(const rl::Trajectory& t) {
  const int64_t columns = std::max<int64_t>(1, t.start.max().item<int64_t>());
  rl::Trajectory prompts;
  prompts.observation = t.observation;
  prompts.start = torch::zeros_like(t.start);
  prompts.action = t.observation.narrow(1, 1, columns);
  prompts.mask = torch::arange(columns, t.start.options()).unsqueeze(0) < t.start.unsqueeze(1);
  return prompts;
}

// Uniform in [0, 1), one per row and teacher: float64[B, M].
Tensor draws(uint64_t key, const Tensor& episode, int64_t teachers) {
  std::vector<Tensor> columns;
  for (int64_t k = 0; k < teachers; ++k) {
    columns.push_back(rl::uniform(key, episode, torch::full_like(episode, k)));
  }
  return torch::stack(columns, -1);
}

}  // namespace

TeacherWeights even_weights(int64_t teachers) {
  return [teachers](const rl::Trajectory& t) {
    return torch::full({t.size(), t.length(), teachers}, -std::log(static_cast<double>(teachers)),
                       t.reward.options());
  };
}

TeacherWeights gate_weights(std::shared_ptr<const TeacherScores> gate) {
  return [gate = std::move(gate)](const rl::Trajectory& t) {
    return gate->scores(t, "").log_softmax(-1);
  };
}

TeacherWeights subset_weights(std::shared_ptr<const TeacherScores> selector, int64_t warm_up,
                              uint64_t seed) {
  return [selector = std::move(selector), warm_up,
          key = rl::role_key(seed, "selector")](const rl::Trajectory& t) {
    const Tensor score = selector->scores(t, "").select(1, 0);
    const Tensor wanted = draws(key, t.episode, score.size(-1)) < score.sigmoid();
    const Tensor early = (t.episode < warm_up).unsqueeze(-1);
    const Tensor chosen = rl::ops::never_empty(score, wanted.logical_or(early));
    return rl::ops::even_log_weights(chosen)
        .to(torch::kFloat32)
        .unsqueeze(1)
        .expand({t.size(), t.length(), score.size(-1)});
  };
}

TeacherPool::TeacherPool(std::vector<Decoder> teachers, const OfferOptions& options,
                         TeacherWeights weights)
    : teachers_(std::move(teachers)), options_(options), weights_(std::move(weights)) {
  rl::require(!teachers_.empty(), "a pool of teachers needs at least one");
  rl::require(options.temperature > 0, "the teachers' temperature must be > 0, found " +
                                           std::to_string(options.temperature));
  rl::Readout mixture;
  const int64_t size = teachers_.front()->vocabulary_size();
  for (const Decoder& teacher : teachers_) {
    rl::require(teacher->vocabulary_size() == size,
                "teachers that are mixed share a vocabulary, found sizes " + std::to_string(size) +
                    " and " + std::to_string(teacher->vocabulary_size()));
    mixture.heads.push_back({teacher->head_weight().detach(), {}, options.temperature});
  }
  readout_ = std::make_shared<rl::Readout>(std::move(mixture));
}

rl::Trajectory TeacherPool::judged(const rl::Trajectory& given) const {
  torch::NoGradGuard no_grad;
  const rl::Trajectory trajectory = given.to(readout_->heads.front().weight.device());
  rl::Trajectory result = trajectory.with({});
  std::vector<Tensor> features;
  for (size_t k = 0; k < teachers_.size(); ++k) {
    const Tensor hidden = hidden_states(teachers_[k], trajectory).features;
    result = noted(result, k, hidden);
    features.push_back(hidden.to(torch::kFloat32));
  }
  const Tensor log_weights = weights_(result);
  for (int64_t k = 0; k < log_weights.size(-1); ++k) {
    result.notes[rl::prior_note(k, "weight")] = log_weights.select(-1, k).exp();
  }
  features.push_back(log_weights);
  return result.with(offer_in_chunks(torch::cat(features, -1), readout_, options_, trajectory));
}

rl::Trajectory TeacherPool::noted(const rl::Trajectory& t, size_t k, const Tensor& features) const {
  const double unit = std::log(static_cast<double>(teachers_[k]->vocabulary_size()));
  const Tensor said = rl::map_states(
      {features, {teachers_[k]->head_weight().detach(), {}, 1.0}, {}}, t, t.state_mask,
      [](const rl::Opinion& o) {
        return torch::stack(
            {o.action_log_prob(), (o.max_logit() - o.log_normalizer()).exp(), o.entropy()}, -1);
      },
      3);
  const auto place = static_cast<int64_t>(k);
  rl::Trajectory result = t;
  const auto note = [&](const std::string& what, const Tensor& value) {
    result.notes[rl::prior_note(place, what)] = value;
  };
  note("log_prob", said.select(-1, 0));
  note("label_nats", said.select(-1, 0) / -unit);
  note("max_prob", said.select(-1, 1));
  note("entropy", said.select(-1, 2) / unit);
  note("prompt_nats", (prompt_nats(t, k) / unit).expand({t.size(), t.length()}).contiguous());
  return result;
}

Tensor TeacherPool::prompt_nats(const rl::Trajectory& t, size_t k) const {
  const rl::Trajectory prompts = prompts_of(t).to(t.mask.device());
  const HiddenStates states = hidden_states(teachers_[k], prompts);
  const Tensor log_prob =
      rl::map_states({states.features, states.readout, {}}, prompts, prompts.mask,
                     [](const rl::Opinion& o) { return o.action_log_prob(); });
  return -rl::ops::masked_row_mean(log_prob, prompts.mask).unsqueeze(1);
}

}  // namespace agents
