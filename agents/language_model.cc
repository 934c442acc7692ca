#include "agents/language_model.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "rl/check.h"
#include "rl/pairs.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

namespace {

std::vector<int64_t> to_vector(const Tensor& x) {
  const Tensor host = x.to(torch::kCPU, torch::kInt64).contiguous();
  return {host.data_ptr<int64_t>(), host.data_ptr<int64_t>() + host.numel()};
}

// Hidden states of sequences, or of mixtures of two by their shares: each model mixes embeddings of its
// own (rl/pairs.h).
Tensor read(Decoder& decoder, const rl::Trajectory& t, int64_t from, int64_t end) {
  const Tensor ids = t.observation.narrow(1, 0, end);
  if (ids.dim() == 2) return decoder->forward(ids, from);
  const Tensor first = decoder->embedded(ids.select(-1, 0)),
               second = decoder->embedded(ids.select(-1, 1));
  const Tensor share = t.notes.at(rl::kFirstShare).narrow(1, 0, 1).unsqueeze(-1).to(first.device());
  return decoder->forward_embedded(share * first + (1 - share) * second, from);
}

}  // namespace

HiddenStates hidden_states(Decoder decoder, const rl::Trajectory& t, double temperature) {
  rl::require(t.start.defined(), "a language model reads prefixes, the trajectory has none");
  const std::vector<int64_t> starts = to_vector(t.start);
  const auto [first, last] = std::minmax_element(starts.begin(), starts.end());
  const int64_t end = std::min(*last + t.length(), t.observation.size(1));
  const Tensor hidden = read(decoder, t, /*from=*/*first, end);
  const int64_t rows = t.size(), columns = t.length(), width = hidden.size(1);
  const Tensor place =
      (t.start - *first).unsqueeze(1) + torch::arange(columns, t.start.options()).unsqueeze(0);
  const Tensor flat =
      (place.clamp_max(width - 1) + torch::arange(rows, t.start.options()).unsqueeze(1) * width)
          .to(hidden.device());
  return {hidden.flatten(0, 1).index_select(0, flat.flatten()).view({rows, columns, -1}),
          {decoder->head_weight(), {}, temperature}};
}

rl::PolicyOutput LanguageModel::evaluate(const rl::Trajectory& trajectory) const {
  HiddenStates states = hidden_states(decoder_, trajectory);
  return {std::move(states.features), std::move(states.readout), {}};
}

rl::NamedTensors LanguageModel::parameters() const {
  rl::NamedTensors result;
  for (const auto& item : decoder_->named_parameters()) {
    result.emplace_back(item.key(), item.value());
  }
  return result;
}

std::unique_ptr<rl::PolicyModel> LanguageModel::clone() const {
  return std::make_unique<LanguageModel>(Decoder(decoder_->copy()));
}

ModulesModel::ModulesModel(Decoder decoder) : LanguageModel(std::move(decoder)) {
  rl::require(this->decoder()->modules() != nullptr, "expected a decoder with modules, found none");
}

rl::NamedTensors ModulesModel::parameters() const { return decoder()->modules()->parameters(); }

std::unique_ptr<rl::PolicyModel> ModulesModel::clone() const {
  return std::make_unique<ModulesModel>(
      Decoder(decoder()->with_modules(decoder()->modules()->copy())));
}

Tensor PrefixReader::begin(const Tensor& ids, const Tensor& length, int64_t room) {
  const std::vector<int64_t> counts = to_vector(length);
  const int64_t longest = *std::max_element(counts.begin(), counts.end());
  cache_.emplace(decoder_->new_cache(ids.size(0), longest + room));
  const Tensor hidden = decoder_->forward(ids.narrow(1, 0, longest), *cache_, counts);
  const Tensor last = (length.to(hidden.device()) - 1).view({-1, 1, 1});
  return logits(hidden.gather(1, last.expand({-1, 1, hidden.size(2)})).squeeze(1));
}

Tensor PrefixReader::advance(const Tensor& ids) {
  return logits(decoder_->forward(ids.unsqueeze(1), *cache_).squeeze(1));
}

void PrefixReader::keep(const Tensor& rows) { cache_->keep(to_vector(rows)); }

Tensor PrefixReader::logits(const Tensor& hidden) const {
  return rl::Readout{decoder_->head_weight(), {}, 1.0}.logits(hidden);
}

void PrefixLogits::begin(const rl::TimeStep& first) {
  first_ = reader_.begin(first.observation, first.length, max_new_tokens_);
}

Tensor PrefixLogits::of(const rl::TimeStep& now) {
  if (first_.defined()) return std::exchange(first_, Tensor());
  return reader_.advance(now.observation.gather(1, (now.length - 1).unsqueeze(1)).squeeze(1));
}

void PrefixLogits::keep(const Tensor& rows) {
  reader_.keep(rows);
  if (first_.defined()) first_ = first_.index_select(0, rows.to(first_.device()));
}

}  // namespace agents
