#include "distill/components/text_domain.h"

#include <utility>

#include "agents/actors/mixed_logits.h"
#include "agents/moving_average.h"
#include "agents/privileged_teacher.h"
#include "agents/teacher_repair.h"
#include "envs/token/example_loader.h"
#include "envs/token/paired_source.h"
#include "envs/token/token_environment.h"
#include "rl/hindsight.h"
#include "rl/random.h"
#include "rl/torch.h"

namespace distill {

std::unique_ptr<rl::Source> Domain::groups(const GroupsOptions&) const {
  throw ConfigError("source groups: there are no labelled texts here");
}

std::shared_ptr<const rl::Payer> Domain::payer(const std::string& name) const {
  throw ConfigError("payer " + name + ": nobody here pays it");
}

ConfigError has_no(const std::string& domain, const std::string& what, const ComponentSpec& named) {
  return error_at(named.options.mark, domain + " has no " + what + " \"" + named.name + "\"");
}

agents::SamplingOptions sampling_of(const SamplingOptions& options) {
  return {options.temperature, options.top_k, options.top_p, options.min_p};
}

agents::SpeculativeOptions speculative_of(const SpeculativeActorOptions& options,
                                          const agents::SamplingOptions& student) {
  return {options.k, options.decay_tokens, student, sampling_of(options.replace)};
}

TextDomain::TextDomain(TextDomainOptions options) : options_(std::move(options)) {
  const ComponentSpec& judge = options_.judge;
  if (judge.name == "adapted_teacher") {
    add_modules(bound<AdaptedTeacherOptions>(judge.options));
  } else if (judge.name == "repaired_teacher") {
    const auto found = bound<RepairedTeacherOptions>(judge.options);
    if (found.update == "modules") {
      add_modules(found.modules);
    } else {
      adapted_teacher_ = agents::Decoder(options_.teacher->copy());
    }
  } else if (judge.name == "self") {
    const bool live = bound<SelfJudgeOptions>(judge.options).teacher == "live";
    self_ = live ? options_.student : agents::Decoder(options_.student->copy());
  }
}

void TextDomain::add_modules(const AdaptedTeacherOptions& options) {
  const agents::Decoder& teacher = options_.teacher;
  modules_ = std::make_shared<agents::Lora>(
      teacher->config(),
      agents::LoraOptions{.rank = options.rank,
                          .scale = options.scale,
                          .seed = rl::role_key(options_.seed, "teacher modules")},
      teacher->head_weight().device());
  adapted_teacher_ = agents::Decoder(teacher->with_modules(modules_));
}

// All sources of an agent see the examples in the same order.
envs::ExampleOf TextDomain::shuffled() const {
  auto loader = std::make_shared<envs::ExampleLoader>(
      options_.examples, envs::ExampleLoaderOptions{.seed = options_.seed});
  return [loader](int64_t episode) { return loader->at(episode); };
}

std::shared_ptr<rl::PolicyModel> TextDomain::model(const std::string& name) const {
  if (name == "student") return std::make_shared<agents::LanguageModel>(options_.student);
  if (name == "teacher_modules" && modules_) {
    return std::make_shared<agents::ModulesModel>(adapted_teacher_);
  }
  if (const auto found = scores_.find(name); found != scores_.end()) return found->second;
  throw has_no("text", "model", name);
}

// The student is copied when it is first asked for, which is before it learns.
agents::Decoder TextDomain::reference(const std::string& folder) const {
  const auto found = references_.find(folder);
  if (found != references_.end()) return found->second;
  const agents::Decoder model =
      folder.empty() ? agents::Decoder(options_.student->copy()) : options_.load_model(folder);
  references_.emplace(folder, model);
  return model;
}

agents::Decoder TextDomain::judging(const ComponentSpec& judge) const {
  if (judge.name == "teacher") return options_.teacher;
  if (judge.name == "student") return options_.student;
  if (judge.name == "reference") return reference(bound<ReferenceJudgeOptions>(judge.options).path);
  const bool adapts = judge.name == "adapted_teacher" || judge.name == "repaired_teacher";
  if (adapts && !adapted_teacher_.is_empty()) return adapted_teacher_;
  if (judge.name == "self" && !self_.is_empty()) return self_;
  throw has_no("text", "judge", judge);
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
                                     .seed = options_.seed,
                                     .device = options_.student->head_weight().device()});
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

std::shared_ptr<const rl::Prior> TextDomain::judge(const ComponentSpec& judge,
                                                   const agents::OfferOptions& offer) const {
  if (judge.name == "foreign_teacher") return foreign_teacher(judge);
  if (judge.name == "teachers") return pool(bound<TeachersJudgeOptions>(judge.options), offer);
  if (judge.name != "self") return std::make_shared<agents::LmTeacher>(judging(judge), offer);
  return std::make_shared<agents::PrivilegedTeacher>(
      judging(judge), offer,
      [example_of = shuffled()](int64_t episode) { return example_of(episode).privileged_prompt; });
}

std::shared_ptr<rl::Follower> TextDomain::follower(const ComponentSpec& judge) const {
  if (judge.name == "repaired_teacher") {
    const auto found = bound<RepairedTeacherOptions>(judge.options);
    return std::make_shared<agents::TeacherRepair>(
        judging(judge), options_.student, modules_,
        agents::RepairOptions{.threshold = found.saliency_threshold,
                              .below = found.repair_below,
                              .keep = found.keep,
                              .every = found.alternate_every,
                              .micro_batch_tokens = options_.micro_batch_tokens,
                              .threads = options_.threads});
  }
  if (judge.name != "self") return nullptr;
  const auto found = bound<SelfJudgeOptions>(judge.options);
  if (found.teacher != "average") return nullptr;
  return std::make_shared<agents::MovingAverage>(self_, options_.student, found.average_share);
}

std::shared_ptr<const rl::Readout> TextDomain::judge_readout(
    const ComponentSpec& judge, const agents::OfferOptions& offer) const {
  if (offer.kind != agents::OfferOptions::Kind::all) return nullptr;
  if (judge.name == "foreign_teacher") return foreign_teacher(judge)->readout();
  if (judge.name == "teachers") {
    return pool(bound<TeachersJudgeOptions>(judge.options), offer)->readout();
  }
  return agents::LmTeacher(judging(judge), offer).readout();
}

std::unique_ptr<rl::Source> TextDomain::dataset() const {
  return std::make_unique<envs::DatasetSource>(shuffled());
}

std::unique_ptr<rl::Actor> TextDomain::make_actor(const ComponentSpec& actor,
                                                  const agents::SamplingOptions& sampling) const {
  const int64_t longest = options_.max_new_tokens;
  const auto next = [&](const agents::Decoder& model) {
    return std::make_unique<agents::PrefixLogits>(model, longest);
  };
  if (actor.name == "mixture") {
    const auto found = bound<MixtureActorOptions>(actor.options);
    return std::make_unique<agents::LogitsActor>(
        std::make_unique<agents::MixedLogits>(next(options_.student), next(options_.teacher),
                                              found.teacher_share),
        sampling, options_.seed, actor.name);
  }
  if (actor.name == "speculative") {
    const auto found = bound<SpeculativeActorOptions>(actor.options);
    return std::make_unique<agents::SpeculativeWriter>(
        options_.student, options_.teacher, speculative_of(found, sampling),
        agents::SpeculativeWriter::Text{longest, options_.end_ids, found.draft_tokens},
        options_.seed, actor.name);
  }
  return std::make_unique<agents::LanguageModelActor>(
      actor.name == "student" ? options_.student : options_.teacher, sampling, longest,
      options_.seed, actor.name);
}

std::unique_ptr<rl::Source> Domain::pairs(double) const {
  throw ConfigError("source mixed_pairs: only the embeddings of text are mixed");
}

std::unique_ptr<rl::Source> TextDomain::pairs(double beta_shape) const {
  return std::make_unique<envs::PairedSource>(shuffled(), beta_shape, options_.seed);
}

std::unique_ptr<rl::Source> TextDomain::rollout(const RolloutOptions& options) const {
  const ComponentSpec actor = component(options.actor);
  const agents::SamplingOptions sampling = sampling_of(options.sampling);
  const agents::Decoder& writer = actor.name == "teacher" ? options_.teacher : options_.student;
  const auto stage = [&] {
    const envs::TokenEnvironmentOptions environment{.vocabulary_size = writer->vocabulary_size(),
                                                    .end_ids = options_.end_ids,
                                                    .max_new_tokens = options_.max_new_tokens};
    // Each shard reads ahead for itself.
    const auto prompt_of = [example_of = shuffled(), size = options.group_size](int64_t episode) {
      return example_of(episode / size).prompt;
    };
    return rl::Rollout::Stage{std::make_unique<envs::TokenEnvironment>(environment, prompt_of),
                              make_actor(actor, sampling)};
  };
  return std::make_unique<rl::Rollout>(stage, options_.threads,
                                       actor.name == "student" && sampling.is_plain());
}

std::unique_ptr<rl::Source> TextDomain::segments(const SegmentsOptions&) const {
  throw ConfigError("source segments: an answer is learned from as a whole; use rollout");
}

}  // namespace distill
