#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agents/text_classifier.h"
#include "distill/components/domain.h"
#include "envs/token/label_source.h"

namespace distill {

struct LabelDomainOptions {
  uint64_t seed = 1;
  std::shared_ptr<agents::TextClassifier> student;
  std::vector<envs::LabelledIds> texts;
  /// What the teacher says of each text and where it puts it: float32[N, C], float32[N, D]. Undefined: there
  /// is no teacher.
  rl::Tensor log_probs = {}, embeddings = {};
};

/// Labelled texts: states are texts, actions are labels.
class LabelDomain : public Domain {
 public:
  explicit LabelDomain(LabelDomainOptions options);

  std::shared_ptr<rl::PolicyModel> model(const std::string& name) const override;
  std::shared_ptr<const rl::Prior> judge(const ComponentSpec& judge,
                                         const agents::OfferOptions& offer) const override;
  std::shared_ptr<const rl::Readout> judge_readout(
      const ComponentSpec& judge, const agents::OfferOptions& offer) const override;
  std::unique_ptr<rl::Source> dataset() const override;
  std::unique_ptr<rl::Source> groups(const GroupsOptions& options) const override;
  std::unique_ptr<rl::Source> rollout(const RolloutOptions& options) const override;
  std::unique_ptr<rl::Source> segments(const SegmentsOptions& options) const override;

 private:
  LabelDomainOptions options_;
};

}  // namespace distill
