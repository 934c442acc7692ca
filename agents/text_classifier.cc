#include "agents/text_classifier.h"

#include <utility>

#include "agents/weights.h"
#include "rl/check.h"
#include "rl/ops/masked.h"
#include "rl/random.h"
#include "rl/safetensors.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

namespace {

constexpr const char* kHead = "classifier.weight";
constexpr const char* kBias = "classifier.bias";

std::string head_file(const std::string& folder) { return folder + "/classifier.safetensors"; }

Tensor learned(const Tensor& x, const Decoder& body) {
  return x.to(body->head_weight().device(), torch::kFloat32).detach().clone().requires_grad_(true);
}

// Normal numbers by the sum of twelve uniform ones, which every machine draws alike.
Tensor drawn_head(const Decoder& body, int64_t labels, uint64_t seed) {
  const int64_t count = labels * body->config().width;
  const uint64_t key = rl::role_key(seed, "classifier");
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    double sum = -6;
    for (uint64_t k = 0; k < 12; ++k) sum += rl::uniform(key, static_cast<uint64_t>(i), k);
    values.push_back(static_cast<float>(sum * body->config().initializer_range));
  }
  return torch::tensor(values).view({labels, -1});
}

}  // namespace

TextClassifier::TextClassifier(Decoder body, int64_t labels, uint64_t seed)
    : TextClassifier(body, drawn_head(body, labels, seed), torch::zeros({labels})) {}

TextClassifier::TextClassifier(Decoder body, Tensor weight, Tensor bias)
    : body_(std::move(body)), weight_(learned(weight, body_)), bias_(learned(bias, body_)) {
  rl::expect_shape(weight_, {rl::kAny, body_->config().width}, kHead);
  rl::expect_shape(bias_, {weight_.size(0)}, kBias);
}

Tensor TextClassifier::embed(const Tensor& ids) const {
  const Tensor real = ids >= 0;
  const int64_t width = std::max<int64_t>(1, real.sum(1).max().item<int64_t>());
  const Tensor used = real.narrow(1, 0, width);
  Decoder body = body_;
  const Tensor hidden = body->forward(ids.narrow(1, 0, width).clamp_min(0)).to(torch::kFloat32);
  return rl::ops::masked_row_mean(hidden, used.to(hidden.device()));
}

Tensor TextClassifier::log_probs(const Tensor& embeddings) const {
  return rl::Readout{weight_, bias_, 1.0}.logits(embeddings).log_softmax(-1);
}

rl::PolicyOutput TextClassifier::evaluate(const rl::Trajectory& trajectory) const {
  const Tensor& texts = trajectory.observation;
  rl::expect_shape(texts, {trajectory.size(), trajectory.length(), rl::kAny}, "texts");
  return {embed(texts.flatten(0, 1)).unflatten(0, {trajectory.size(), trajectory.length()}),
          {weight_, bias_, 1.0},
          {}};
}

rl::NamedTensors TextClassifier::parameters() const {
  rl::NamedTensors result;
  for (const auto& item : body_->named_parameters()) {
    // A text is read, not continued: an untied head of the language model is not asked.
    if (item.key() == "lm_head.weight") continue;
    result.emplace_back(item.key(), item.value());
  }
  result.emplace_back(kHead, weight_);
  result.emplace_back(kBias, bias_);
  return result;
}

std::unique_ptr<rl::PolicyModel> TextClassifier::clone() const {
  return std::make_unique<TextClassifier>(Decoder(body_->copy()), weight_, bias_);
}

void save_classifier(const TextClassifier& classifier, const std::string& folder,
                     const std::string& source) {
  save_decoder(classifier.body(), folder, source);
  std::vector<std::pair<std::string, Tensor>> head;
  for (const auto& [name, tensor] : classifier.parameters()) {
    if (name == kHead || name == kBias) head.emplace_back(name, tensor.detach());
  }
  rl::write_safetensors(head_file(folder), head);
}

std::shared_ptr<TextClassifier> load_classifier(const std::string& folder, Decoder body,
                                                int64_t labels) {
  const rl::SafetensorsFile file(head_file(folder));
  const Tensor weight = file.tensor(kHead);
  rl::expect_shape(weight, {labels, body->config().width}, file.path() + ": " + kHead);
  return std::make_shared<TextClassifier>(std::move(body), weight, file.tensor(kBias));
}

}  // namespace agents
