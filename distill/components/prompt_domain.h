#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agents/nets/soft_prompt.h"
#include "agents/text_classifier.h"
#include "distill/components/domain.h"
#include "envs/token/examples.h"
#include "envs/token/label_source.h"
#include "envs/token/tokenizer.h"
#include "rl/parallel.h"

namespace distill {

struct PromptDomainOptions {
  uint64_t seed = 1;
  rl::Threads threads;
  std::shared_ptr<agents::PromptedModel> student;  // the prompt that learns
  agents::Decoder reference{nullptr};              // reads the prompt as it was before
  std::shared_ptr<const agents::TextClassifier> classifier;
  std::vector<envs::LabelledIds>
      texts;  // that are to be written, without what begins and ends them
  std::shared_ptr<const envs::Tokenizer> tokenizer;
  int64_t eos_id = 0;
  int64_t max_text_tokens = 64;  // of a text that is classified or learned from, EOS included
  int64_t max_new_tokens = 64;   // of a rollout, the end included
};

/// A teacher that writes texts of a label behind a soft prompt. Episode e is for label e modulo their number,
/// so that labels are balanced.
class PromptDomain : public Domain {
 public:
  explicit PromptDomain(PromptDomainOptions options);

  std::shared_ptr<rl::PolicyModel> model(const std::string& name) const override;
  std::shared_ptr<const rl::Prior> judge(const ComponentSpec& judge,
                                         const agents::OfferOptions& offer) const override;
  std::shared_ptr<const rl::Readout> judge_readout(
      const ComponentSpec& judge, const agents::OfferOptions& offer) const override;
  std::unique_ptr<rl::Source> dataset() const override;
  std::unique_ptr<rl::Source> rollout(const RolloutOptions& options) const override;
  std::unique_ptr<rl::Source> segments(const SegmentsOptions& options) const override;
  std::shared_ptr<const rl::Payer> payer(const std::string& name) const override;

 private:
  PromptDomainOptions options_;
};

/// The ids that a text of a label begins behind.
std::vector<int64_t> prompt_of(const PromptDomainOptions& options, int64_t label);
/// A written text behind its prompt; one of more tokens than a text may have is cut and does not end.
envs::Example prompted_example(const PromptDomainOptions& options, const envs::LabelledIds& text);

/// A text as a classifier reads it: with what begins it, cut to `most` tokens, and at least one.
std::vector<int64_t> read_ids(const envs::Tokenizer& tokenizer, const std::string& text,
                              int64_t most);

/// The texts that a trajectory's rows wrote.
std::vector<std::string> written_texts(const rl::Trajectory& trajectory,
                                       const envs::Tokenizer& tokenizer);

/// What a classifier says of texts, and where it puts them.
struct ReadTexts {
  rl::Tensor log_probs;   // float32[N, C]
  rl::Tensor embeddings;  // float32[N, D]
};
ReadTexts read_texts(const agents::TextClassifier& classifier, const envs::Tokenizer& tokenizer,
                     const std::vector<std::string>& texts, int64_t most);

}  // namespace distill
