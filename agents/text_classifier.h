#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "agents/nets/decoder.h"
#include "rl/policy.h"
#include "rl/tensor.h"

namespace agents {

/// A decoder that reads whole texts and says their label: the mean of its last hidden states over the text is
/// the text's embedding, a linear head on it says the label.
///
/// As a policy: the state is a text (see envs::LabelSource), the action its label. Features are
/// embeddings, so that relations between texts are learned through the same door as labels.
class TextClassifier : public rl::PolicyModel {
 public:
  /// @param seed of the head, which begins at normal(0, initializer_range).
  TextClassifier(Decoder body, int64_t labels, uint64_t seed);
  TextClassifier(Decoder body, rl::Tensor weight, rl::Tensor bias);

  rl::PolicyOutput evaluate(const rl::Trajectory& trajectory) const override;
  rl::NamedTensors parameters() const override;
  std::unique_ptr<rl::PolicyModel> clone() const override;

  /// @param ids int64[N, L], padded on the right with -1; a token at least in each row.
  /// @return float32[N, D].
  rl::Tensor embed(const rl::Tensor& ids) const;
  /// Log-probabilities of the labels: float32[N, C] from embeddings.
  rl::Tensor log_probs(const rl::Tensor& embeddings) const;

  Decoder body() const { return body_; }
  int64_t labels() const { return weight_.size(0); }

 private:
  Decoder body_;
  rl::Tensor weight_, bias_;  // float32[C, D], float32[C]
};

/// Writes the body as a Hugging Face folder with the head beside it (`classifier.safetensors`), and back.
///
/// @param source folder of the tokenizer's files; empty: none.
void save_classifier(const TextClassifier& classifier, const std::string& folder,
                     const std::string& source = "");
/// @param body of that folder.
/// @throws std::runtime_error naming the file, where there is none or it does not fit.
std::shared_ptr<TextClassifier> load_classifier(const std::string& folder, Decoder body,
                                                int64_t labels);

}  // namespace agents
