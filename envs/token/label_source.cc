#include "envs/token/label_source.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "rl/check.h"
#include "rl/random.h"
#include "rl/torch.h"

namespace envs {

using rl::Tensor;

namespace {

// Items as groups of T texts, row by row.
rl::Trajectory grouped(const std::vector<LabelledIds>& texts, const std::vector<int64_t>& items,
                       int64_t columns, const Tensor& episodes) {
  const int64_t rows = episodes.size(0);
  // The longest of all texts, so that every batch has the same width.
  size_t longest = 1;
  for (const LabelledIds& text : texts) longest = std::max(longest, text.ids.size());
  const auto width = static_cast<int64_t>(longest);
  const Tensor ids = torch::full({rows * columns, width}, -1, torch::kInt64);
  const Tensor label = torch::zeros({rows * columns}, torch::kInt64);
  for (size_t i = 0; i < items.size(); ++i) {
    const LabelledIds& text = texts[static_cast<size_t>(items[i])];
    const auto row = static_cast<int64_t>(i);
    ids[row]
        .narrow(0, 0, static_cast<int64_t>(text.ids.size()))
        .copy_(torch::tensor(text.ids, torch::kInt64));
    label[row] = text.label;
  }
  const std::vector<int64_t> shape = {rows, columns};
  const Tensor mask = torch::ones(shape, torch::kBool);
  return {.observation = ids.view({rows, columns, width}),
          .start = {},
          .action = label.view(shape),
          .actions = {},
          .behavior_log_prob = torch::zeros(shape),
          .reward = torch::zeros(shape),
          .discount = torch::zeros(shape),
          .mask = mask,
          .state_mask = mask,
          .episode = episodes,
          .own = torch::zeros({rows}, torch::kBool),
          .notes = {{"item", torch::tensor(items, torch::kInt64).view(shape)}}};
}

}  // namespace

LabelSource::LabelSource(std::vector<LabelledIds> texts, int64_t group, uint64_t seed)
    : texts_(std::move(texts)), group_(group), key_(rl::role_key(seed, "labelled texts")) {
  rl::require(!texts_.empty(), "there are no labelled texts");
  rl::require(group >= 1, "a group has at least 1 text, found " + std::to_string(group));
  for (const LabelledIds& text : texts_) rl::require(!text.ids.empty(), "a text without tokens");
}

int64_t LabelSource::item_at(int64_t position) {
  const auto count = static_cast<int64_t>(texts_.size());
  if (position / count != epoch_) {
    epoch_ = position / count;
    order_ = rl::permutation(count, key_, static_cast<uint64_t>(epoch_));
  }
  return order_[static_cast<size_t>(position % count)];
}

rl::Trajectory LabelSource::collect(const Tensor& episodes, double progress) {
  (void)progress;
  std::vector<int64_t> items;
  for (int64_t i = 0; i < episodes.size(0); ++i) {
    const int64_t first = episodes[i].item<int64_t>() * group_;
    for (int64_t t = 0; t < group_; ++t) items.push_back(item_at(first + t));
  }
  return grouped(texts_, items, group_, episodes);
}

rl::Trajectory rows_of(const std::vector<LabelledIds>& texts) {
  std::vector<int64_t> items(texts.size());
  std::iota(items.begin(), items.end(), 0);
  return grouped(texts, items, 1, torch::arange(static_cast<int64_t>(texts.size())));
}

}  // namespace envs
