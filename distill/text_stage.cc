#include "distill/text_stage.h"

#include <cmath>
#include <filesystem>
#include <utility>

#include "agents/weights.h"
#include "distill/components/components.h"
#include "distill/components/text_domain.h"
#include "distill/evaluation.h"
#include "distill/registry.h"
#include "distill/training.h"
#include "envs/token/train_tokenizer.h"
#include "rl/random.h"
#include "rl/torch.h"

namespace distill {
namespace fs = std::filesystem;
namespace {

// Everything a training or scoring stage works with.
struct Inputs {
  std::shared_ptr<const envs::Tokenizer> tokenizer;
  std::shared_ptr<const envs::Tokenizer> teacher_tokenizer;  // null: the same
  std::string tokenizer_folder;
  agents::Decoder student{nullptr};
  std::vector<std::pair<std::string, agents::Decoder>> teachers;
  agents::Decoder compared{nullptr};  // the teacher that students are compared with
  std::shared_ptr<const envs::Examples> training, validation;
  rl::Threads threads;
};

class StageRun {
 public:
  StageRun(const RunConfig& run, const StageConfig& stage, const StagePaths& paths,
           const StageEvents& events)
      : run_(run), stage_(stage), paths_(paths), events_(events) {}

  StageResult train();
  StageResult score();

 private:
  void say(const std::string& text) const {
    if (events_.say) events_.say(text);
  }
  agents::Decoder load(const ModelConfig& model, bool frozen, const std::string& role,
                       const envs::Tokenizer& tokenizer) const;
  void load_inputs();
  void check_lengths(const agents::Decoder& model, const std::string& role) const;
  EvaluationTask evaluation_task() const;
  MemoryTask memory_task() const;
  void save_student() const;

  const RunConfig& run_;
  const StageConfig& stage_;
  const StagePaths& paths_;
  const StageEvents& events_;
  Inputs inputs_;
};

agents::Decoder StageRun::load(const ModelConfig& model, bool frozen, const std::string& role,
                               const envs::Tokenizer& tokenizer) const {
  agents::Decoder decoder =
      make_model(model, paths_, tokenizer.size(), frozen, stage_.train.compute,
                 rl::role_key(static_cast<uint64_t>(run_.seed), role));
  decoder->to(torch::Device(run_.device));
  const int64_t padded = decoder->config().vocabulary_size, size = decoder->vocabulary_size();
  say(role + ": " + std::to_string(parameter_count(decoder)) + " parameters" +
      (padded > size ? ", head trimmed from " + std::to_string(padded) + " to the tokenizer's " +
                           std::to_string(size) + " tokens"
                     : ""));
  if (size < tokenizer.size()) {
    throw error_at(model.mark, role + ": its vocabulary of " + std::to_string(size) +
                                   " is smaller than the tokenizer's " +
                                   std::to_string(tokenizer.size()));
  }
  check_lengths(decoder, role);
  return decoder;
}

void StageRun::check_lengths(const agents::Decoder& model, const std::string& role) const {
  const int64_t response = std::max(stage_.train.max_new_tokens, stage_.data.response_tokens);
  const int64_t prompt = longest_prompt(stage_), longest = prompt + response;
  if (longest > model->config().context) {
    throw error_at(stage_.mark, role + ": prompts of " + std::to_string(prompt) +
                                    " and responses of " + std::to_string(response) +
                                    " tokens do not fit its context of " +
                                    std::to_string(model->config().context));
  }
}

void StageRun::load_inputs() {
  inputs_.tokenizer_folder = tokenizer_path(stage_, paths_);
  inputs_.tokenizer = envs::load_tokenizer(inputs_.tokenizer_folder);
  if (has_foreign_teacher(stage_)) {
    inputs_.teacher_tokenizer =
        envs::load_tokenizer(teacher_tokenizer_path(*stage_.teacher, paths_));
  }
  const envs::Tokenizer& teachers_own =
      inputs_.teacher_tokenizer ? *inputs_.teacher_tokenizer : *inputs_.tokenizer;
  for (const auto& [name, model] : teachers_of(stage_)) {
    inputs_.teachers.emplace_back(name, load(model, /*frozen=*/true, name, teachers_own));
    if (name == compared_teacher(stage_)) inputs_.compared = inputs_.teachers.back().second;
  }
  if (stage_.student)
    inputs_.student = load(*stage_.student, /*frozen=*/false, "student", *inputs_.tokenizer);
  const agents::Decoder& largest =
      inputs_.teachers.empty() ? inputs_.student : inputs_.teachers.front().second;
  inputs_.threads =
      largest.is_empty() ? rl::Threads{rl::core_count(), 1} : threads_of(run_.threads, largest);
  inputs_.validation = make_examples(stage_.data, /*validation=*/true, {}, inputs_.tokenizer);
}

MemoryTask StageRun::memory_task() const {
  const MemoryConfig& memory = *stage_.evaluate.memory;
  const auto examples = make_examples(stage_.data, /*validation=*/false, {}, inputs_.tokenizer);
  return {.examples = envs::first_examples(*examples, memory.examples),
          .options = {.top = memory.top,
                      .neighbours = memory.neighbours,
                      .temperature = memory.temperature},
          .share = memory.share};
}

EvaluationTask StageRun::evaluation_task() const {
  EvaluationTask task;
  const int64_t count =
      stage_.evaluate.examples > 0 ? stage_.evaluate.examples : inputs_.validation->size();
  task.examples = envs::first_examples(*inputs_.validation, count);
  task.tokenizer = inputs_.tokenizer;
  task.teacher = inputs_.compared;
  // Without a set of its own a method is measured on the likeliest tokens of the teacher.
  task.offer = {.kind = agents::OfferOptions::Kind::top_k, .max_actions = 50};
  if (stage_.evaluate.memory) task.memory = memory_task();
  task.continuations = stage_.evaluate.continuations;
  task.max_new_tokens = stage_.evaluate.max_new_tokens > 0 ? stage_.evaluate.max_new_tokens
                                                           : stage_.data.response_tokens;
  task.end_ids = end_ids(*inputs_.tokenizer, inputs_.tokenizer_folder);
  task.micro_batch_tokens = micro_batch_tokens(stage_.train);
  task.threads = inputs_.threads;
  task.seed = static_cast<uint64_t>(run_.seed);
  return task;
}

void StageRun::save_student() const {
  const std::string folder = paths_.product(stage_.name);
  const std::string source = fs::is_directory(inputs_.tokenizer_folder)
                                 ? inputs_.tokenizer_folder
                                 : fs::path(inputs_.tokenizer_folder).parent_path().string();
  agents::save_decoder(inputs_.student, folder, source);
}

StageResult StageRun::train() {
  load_inputs();
  if (inputs_.student.is_empty()) {
    throw error_at(stage_.mark, "stage \"" + stage_.name + "\" trains nothing: it needs a student");
  }
  const MethodSpec method =
      find_method(stage_.method.name, stage_.method.mark).build(stage_.method.options);
  const bool teacher_needed = needs_teacher(method.stages.front().agent);
  if (teacher_needed && inputs_.teachers.empty()) {
    throw error_at(stage_.mark, "method \"" + stage_.method.name + "\" needs a teacher");
  }
  inputs_.training = make_examples(stage_.data, /*validation=*/false,
                                   needs_of(method.stages.front().agent), inputs_.tokenizer);
  const EvaluationTask task = evaluation_task();
  StageResult result;
  for (const auto& [name, teacher] : inputs_.teachers) {
    // One of other tokens has no opinion of the held-out ids.
    if (!inputs_.teacher_tokenizer) result.evaluations.push_back(evaluate(name, teacher, task));
  }
  if (!inputs_.teachers.empty()) {
    result.evaluations.push_back(evaluate("student before", inputs_.student, task));
  }
  std::vector<agents::Decoder> teachers;
  for (const auto& [name, teacher] : inputs_.teachers) teachers.push_back(teacher);
  const TextDomain domain({.seed = static_cast<uint64_t>(run_.seed),
                           .threads = inputs_.threads,
                           .student = inputs_.student,
                           .teacher = teachers.size() == 1 ? teachers.front() : inputs_.compared,
                           .teachers = teachers,
                           .tokenizer = inputs_.tokenizer,
                           .teacher_tokenizer = inputs_.teacher_tokenizer,
                           .examples = inputs_.training,
                           .end_ids = task.end_ids,
                           .max_new_tokens = stage_.train.max_new_tokens > 0
                                                 ? stage_.train.max_new_tokens
                                                 : stage_.data.response_tokens,
                           .load_model =
                               [this](const std::string& folder) {
                                 ModelConfig model;
                                 model.path = folder;
                                 model.mark = stage_.method.mark;
                                 return load(model, /*frozen=*/true, folder, *inputs_.tokenizer);
                               },
                           .micro_batch_tokens = micro_batch_tokens(stage_.train),
                           .judge = method.stages.front().agent.judge});
  const Training training{
      .domain = domain,
      .seed = static_cast<uint64_t>(run_.seed),
      .threads = inputs_.threads,
      .measure =
          [&](const rl::Progress&) {
            const double nats = held_out_nats(inputs_.student, task);
            return Training::Measured{{{"held_out/nats_per_token", nats}}, nats};
          },
      .held_out = held_out_rows(task)};
  const Learned learned = learn(method.stages.front().agent, stage_.train, training,
                                paths_.folder(stage_.name), events_);
  result.interrupted = learned.interrupted;
  if (result.interrupted) return result;
  save_student();
  result.evaluations.push_back(evaluate(stage_.name, inputs_.student, task));
  result.evaluations.back().scores.tokens_generated = learned.generated;
  result.evaluations.back().scores.wall_seconds = learned.seconds;
  return result;
}

StageResult StageRun::score() {
  load_inputs();
  const EvaluationTask task = evaluation_task();
  StageResult result;
  for (const auto& [name, teacher] : inputs_.teachers) {
    result.evaluations.push_back(evaluate(name, teacher, task));
  }
  for (const auto& [name, model] : stage_.evaluate.models) {
    const agents::Decoder decoder = load(model, /*frozen=*/true, name, *inputs_.tokenizer);
    result.evaluations.push_back(evaluate(name, decoder, task));
  }
  return result;
}

}  // namespace

StageResult train_text_stage(const RunConfig& run, const StageConfig& stage,
                             const StagePaths& paths, const StageEvents& events) {
  return StageRun(run, stage, paths, events).train();
}

StageResult score_text_stage(const RunConfig& run, const StageConfig& stage,
                             const StagePaths& paths, const StageEvents& events) {
  return StageRun(run, stage, paths, events).score();
}

StageResult train_tokenizer_stage(const StageConfig& stage, const StagePaths& paths) {
  envs::TrainTokenizerOptions options;
  options.files = text_files(stage.data.train);
  options.vocabulary_size = stage.tokenizer.vocabulary_size;
  options.character_coverage = stage.tokenizer.character_coverage;
  envs::train_tokenizer(options, paths.product(stage.name));
  return {};
}

}  // namespace distill
