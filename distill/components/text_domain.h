#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agents/foreign_teacher.h"
#include "agents/language_model.h"
#include "agents/lm_teacher.h"
#include "agents/teacher_pool.h"
#include "distill/components/domain.h"
#include "envs/token/dataset_source.h"
#include "envs/token/examples.h"
#include "rl/parallel.h"

namespace distill {

/// Text: states are prefixes, actions are tokens, episodes are answers to prompts.
struct TextDomainOptions {
  uint64_t seed = 1;
  rl::Threads threads;
  agents::Decoder student{nullptr};
  agents::Decoder teacher{nullptr};       // empty: the method needs none, or several
  std::vector<agents::Decoder> teachers;  // of one vocabulary; empty: the method needs none, or one
  std::shared_ptr<const envs::Tokenizer> tokenizer;          // of examples and student
  std::shared_ptr<const envs::Tokenizer> teacher_tokenizer;  // null: the same
  std::shared_ptr<const envs::Examples> examples;
  std::vector<int64_t> end_ids;  // tokens that end an answer
  int64_t max_new_tokens = 0;    // of a rollout
  /// A further model that is only read, from a folder.
  std::function<agents::Decoder(const std::string& folder)> load_model;
  int64_t micro_batch_tokens = 4096;
  ComponentSpec judge = "teacher";  // the agent's: what it needs beside the models is made once
};

class TextDomain : public Domain {
 public:
  explicit TextDomain(TextDomainOptions options);

  std::shared_ptr<rl::PolicyModel> model(const std::string& name) const override;
  std::shared_ptr<const rl::Prior> judge(const ComponentSpec& judge,
                                         const agents::OfferOptions& offer) const override;
  std::shared_ptr<rl::Follower> follower(const ComponentSpec& judge) const override;
  std::shared_ptr<const rl::Readout> judge_readout(
      const ComponentSpec& judge, const agents::OfferOptions& offer) const override;
  std::unique_ptr<rl::Source> dataset() const override;
  std::unique_ptr<rl::Source> pairs(double beta_shape) const override;
  std::unique_ptr<rl::Source> rollout(const RolloutOptions& options) const override;
  std::unique_ptr<rl::Source> segments(const SegmentsOptions& options) const override;

 private:
  void add_modules(const AdaptedTeacherOptions& options);
  envs::ExampleOf shuffled() const;
  agents::Decoder reference(const std::string& folder) const;
  std::unique_ptr<rl::Actor> make_actor(const ComponentSpec& actor,
                                        const agents::SamplingOptions& sampling) const;
  agents::Decoder judging(const ComponentSpec& judge) const;

  std::shared_ptr<const agents::ForeignTeacher> foreign_teacher(const ComponentSpec& judge) const;
  std::shared_ptr<const agents::TeacherPool> pool(const TeachersJudgeOptions& found,
                                                  const agents::OfferOptions& offer) const;
  std::shared_ptr<agents::TeacherScores> scores(const TeachersJudgeOptions& found) const;

  TextDomainOptions options_;
  std::shared_ptr<agents::Lora> modules_;     // null: the agent's judge has none
  agents::Decoder adapted_teacher_{nullptr};  // the teacher as it becomes; empty: it stays as it is
  agents::Decoder self_{nullptr};             // of the judge `self`; empty: there is none
  mutable std::map<std::string, agents::Decoder> references_;  // by folder
  // Who weighs the teachers, "gate" or "selector": whom a judge asks is who learns.
  mutable std::map<std::string, std::shared_ptr<agents::TeacherScores>> scores_;
};

}  // namespace distill
