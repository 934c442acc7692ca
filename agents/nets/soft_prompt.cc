#include "agents/nets/soft_prompt.h"

#include <utility>

#include "agents/language_model.h"
#include "rl/check.h"
#include "rl/random.h"
#include "rl/safetensors.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

namespace {

constexpr const char* kRows = "soft_prompt";

}  // namespace

std::vector<int64_t> SoftPrompt::ids(const Decoder& decoder, int64_t label) const {
  rl::require(label >= 0 && label < labels, "label " + std::to_string(label) + " of " +
                                                std::to_string(labels) + ": has no soft prompt");
  std::vector<int64_t> result;
  const int64_t first = decoder->config().vocabulary_size + label * tokens;
  for (int64_t i = 0; i < tokens; ++i) result.push_back(first + i);
  return result;
}

SoftPrompt new_soft_prompt(const Decoder& decoder, int64_t labels, int64_t tokens, uint64_t seed) {
  rl::require(labels >= 1 && tokens >= 1, "a soft prompt needs a label and a token at least");
  torch::NoGradGuard no_grad;
  const uint64_t key = rl::role_key(seed, "soft prompt");
  std::vector<int64_t> drawn;
  for (int64_t i = 0; i < labels * tokens; ++i) {
    drawn.push_back(
        rl::uniform_integer(key, static_cast<uint64_t>(i), 0, decoder->vocabulary_size()));
  }
  const Tensor rows = decoder->token_rows(torch::tensor(drawn, torch::kInt64));
  return {rows.to(torch::kFloat32).clone(), labels, tokens};
}

void save_soft_prompt(const SoftPrompt& prompt, const std::string& path) {
  const Tensor rows = prompt.rows.detach().view({prompt.labels, prompt.tokens, -1});
  rl::write_safetensors(path, {{kRows, rows}});
}

SoftPrompt load_soft_prompt(const std::string& path, const Decoder& decoder, int64_t labels) {
  const rl::SafetensorsFile file(path);
  const Tensor rows = file.tensor(kRows);
  rl::expect_shape(rows, {labels, rl::kAny, decoder->config().width}, path + ": " + kRows);
  return {rows.flatten(0, 1).to(decoder->head_weight().device(), torch::kFloat32).clone(), labels,
          rows.size(1)};
}

PromptedModel::PromptedModel(const Decoder& body, SoftPrompt prompt, bool has_value)
    : prompt_(std::move(prompt)), decoder_(nullptr) {
  prompt_.rows = prompt_.rows.detach().clone().requires_grad_(true);
  decoder_ = Decoder(body->with_further_ids(prompt_.rows));
  if (!has_value) return;
  value_weight_ = torch::zeros({prompt_.rows.size(1)}, prompt_.rows.options()).requires_grad_(true);
  value_bias_ = torch::zeros({}, prompt_.rows.options()).requires_grad_(true);
}

rl::PolicyOutput PromptedModel::evaluate(const rl::Trajectory& trajectory) const {
  HiddenStates states = hidden_states(decoder_, trajectory);
  Tensor value;
  if (value_weight_.defined()) {
    // What predicts the return does not move the prompt.
    const Tensor hidden = states.features.detach().to(torch::kFloat32);
    value = hidden.matmul(value_weight_) + value_bias_;
  }
  return {std::move(states.features), std::move(states.readout), std::move(value)};
}

rl::NamedTensors PromptedModel::parameters() const {
  rl::NamedTensors result = {{kRows, prompt_.rows}};
  if (!value_weight_.defined()) return result;
  result.emplace_back("value.weight", value_weight_);
  result.emplace_back("value.bias", value_bias_);
  return result;
}

std::unique_ptr<rl::PolicyModel> PromptedModel::clone() const {
  torch::NoGradGuard no_grad;
  auto result = std::make_unique<PromptedModel>(decoder_, prompt_, value_weight_.defined());
  if (!value_weight_.defined()) return result;
  result->value_weight_.copy_(value_weight_);
  result->value_bias_.copy_(value_bias_);
  return result;
}

}  // namespace agents
