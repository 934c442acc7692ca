#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agents/nets/decoder.h"
#include "rl/policy.h"
#include "rl/tensor.h"

namespace agents {

/// Learned input embeddings that ask a frozen decoder for text of one kind: one set for each label.
///
/// To the decoder they are further ids: what writes, reads and learns need not know of them.
///
/// Source: Lester et al. 2021, "The Power of Scale for Parameter-Efficient Prompt Tuning",
/// arXiv:2104.08691.
struct SoftPrompt {
  rl::Tensor rows;     // float32[labels * tokens, D]
  int64_t labels = 0;  // sets
  int64_t tokens = 0;  // rows of each

  /// The ids that stand for a label's set, where a decoder reads them.
  std::vector<int64_t> ids(const Decoder& decoder, int64_t label) const;
};

/// Rows that are the embeddings of tokens drawn from the decoder's vocabulary.
SoftPrompt new_soft_prompt(const Decoder& decoder, int64_t labels, int64_t tokens, uint64_t seed);

void save_soft_prompt(const SoftPrompt& prompt, const std::string& path);
/// @throws std::runtime_error naming the file and what is missing or of the wrong shape.
SoftPrompt load_soft_prompt(const std::string& path, const Decoder& decoder, int64_t labels);

/// A frozen decoder behind a soft prompt as a policy: the prompt alone learns, and with it, where asked for,
/// a linear read-out of the hidden states that predicts the return.
class PromptedModel : public rl::PolicyModel {
 public:
  PromptedModel(const Decoder& body, SoftPrompt prompt, bool has_value);

  rl::PolicyOutput evaluate(const rl::Trajectory& trajectory) const override;
  rl::NamedTensors parameters() const override;
  std::unique_ptr<rl::PolicyModel> clone() const override;

  /// Reads the prompt as it is now, and as it becomes by learning.
  Decoder decoder() const { return decoder_; }
  const SoftPrompt& prompt() const { return prompt_; }

 private:
  SoftPrompt prompt_;
  Decoder decoder_;
  rl::Tensor value_weight_, value_bias_;  // float32[D], float32[]; undefined: no value
};

}  // namespace agents
