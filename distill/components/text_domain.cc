#include "distill/components/text_domain.h"

#include <utility>

#include "envs/token/example_loader.h"
#include "envs/token/token_environment.h"
#include "rl/hindsight.h"
#include "rl/torch.h"

namespace distill {

ConfigError has_no(const std::string& domain, const std::string& what, const ComponentSpec& named) {
  return error_at(named.options.mark, domain + " has no " + what + " \"" + named.name + "\"");
}

agents::SamplingOptions sampling_of(const SamplingOptions& options) {
  return {options.temperature, options.top_k, options.top_p, options.min_p};
}

TextDomain::TextDomain(TextDomainOptions options) : options_(std::move(options)) {}

// All sources of an agent see the examples in the same order.
envs::ExampleOf TextDomain::shuffled() const {
  auto loader = std::make_shared<envs::ExampleLoader>(
      options_.examples, envs::ExampleLoaderOptions{.seed = options_.seed});
  return [loader](int64_t episode) { return loader->at(episode); };
}

std::shared_ptr<rl::PolicyModel> TextDomain::model(const std::string& name) const {
  if (name == "student") return std::make_shared<agents::LanguageModel>(options_.student);
  if (const auto found = scores_.find(name); found != scores_.end()) return found->second;
  throw has_no("text", "model", name);
}

std::shared_ptr<agents::TeacherScores> TextDomain::scores(const TeachersJudgeOptions& found) const {
  const bool is_selector = found.weights == "selector";
  std::shared_ptr<agents::TeacherScores>& known = scores_[found.weights];
  if (!known) {
    known = std::make_shared<agents::TeacherScores>(
        agents::TeacherScoresOptions{.teachers = static_cast<int64_t>(options_.teachers.size()),
                                     .hidden = found.hidden,
                                     .per_token = found.per == "token",
                                     .knows_label = is_selector,
                                     .prefix = is_selector ? rl::kPast : "",
                                     .seed = options_.seed});
  }
  return known;
}

std::shared_ptr<const agents::ForeignTeacher> TextDomain::foreign_teacher(
    const ComponentSpec& judge) const {
  const auto found = bound<ForeignTeacherJudgeOptions>(judge.options);
  return std::make_shared<agents::ForeignTeacher>(
      options_.teacher, options_.teacher_tokenizer, options_.tokenizer,
      agents::ForeignTeacherOptions{.by_bytes = found.align == "bytes",
                                    .at_last = found.merge == "bayesian",
                                    .temperature = found.teacher_temperature});
}

std::shared_ptr<const agents::TeacherPool> TextDomain::pool(
    const TeachersJudgeOptions& found, const agents::OfferOptions& offer) const {
  agents::TeacherWeights weights =
      agents::even_weights(static_cast<int64_t>(options_.teachers.size()));
  if (found.weights == "gate") weights = agents::gate_weights(scores(found));
  if (found.weights == "selector") {
    weights = agents::subset_weights(scores(found), found.warm_up, options_.seed);
  }
  return std::make_shared<agents::TeacherPool>(options_.teachers, offer, std::move(weights));
}

std::shared_ptr<agents::LmTeacher> TextDomain::lm_judge(const ComponentSpec& judge,
                                                        const agents::OfferOptions& offer) const {
  if (judge.name == "teacher") {
    return std::make_shared<agents::LmTeacher>(options_.teacher, offer);
  }
  if (judge.name == "student") {
    return std::make_shared<agents::LmTeacher>(options_.student, offer);
  }
  throw has_no("text", "judge", judge);
}

std::shared_ptr<const rl::Prior> TextDomain::judge(const ComponentSpec& judge,
                                                   const agents::OfferOptions& offer) const {
  if (judge.name == "foreign_teacher") return foreign_teacher(judge);
  if (judge.name == "teachers") return pool(bound<TeachersJudgeOptions>(judge.options), offer);
  return lm_judge(judge, offer);
}

std::shared_ptr<const rl::Readout> TextDomain::judge_readout(
    const ComponentSpec& judge, const agents::OfferOptions& offer) const {
  if (offer.kind != agents::OfferOptions::Kind::all) return nullptr;
  if (judge.name == "foreign_teacher") return foreign_teacher(judge)->readout();
  if (judge.name == "teachers") {
    return pool(bound<TeachersJudgeOptions>(judge.options), offer)->readout();
  }
  return lm_judge(judge, offer)->readout();
}

std::unique_ptr<rl::Source> TextDomain::dataset() const {
  return std::make_unique<envs::DatasetSource>(shuffled());
}

std::unique_ptr<rl::Source> TextDomain::rollout(const RolloutOptions& options) const {
  const bool is_student = options.actor == "student";
  const agents::Decoder actor = is_student ? options_.student : options_.teacher;
  const agents::SamplingOptions sampling = sampling_of(options.sampling);
  const envs::ExampleOf example_of = shuffled();
  const auto stage = [&] {
    const envs::TokenEnvironmentOptions environment{.vocabulary_size = actor->vocabulary_size(),
                                                    .end_ids = options_.end_ids,
                                                    .max_new_tokens = options_.max_new_tokens};
    const auto prompt_of = [=](int64_t episode) {
      return example_of(episode / options.group_size).prompt;
    };
    return rl::Rollout::Stage{
        std::make_unique<envs::TokenEnvironment>(environment, prompt_of),
        std::make_unique<agents::LanguageModelActor>(actor, sampling, options_.max_new_tokens,
                                                     options_.seed, options.actor)};
  };
  // Only text drawn from the student as it is can be compared with what the learner recomputes.
  return std::make_unique<rl::Rollout>(stage, options_.threads, is_student && sampling.is_plain());
}

std::unique_ptr<rl::Source> TextDomain::segments(const SegmentsOptions&) const {
  throw ConfigError("source segments: an answer is learned from as a whole; use rollout");
}

}  // namespace distill
