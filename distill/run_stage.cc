#include "distill/run_stage.h"

#include <chrono>
#include <cmath>
#include <filesystem>
#include <utility>

#include "agents/weights.h"
#include "distill/components/components.h"
#include "distill/registry.h"
#include "envs/token/train_tokenizer.h"
#include "rl/checkpoint.h"
#include "rl/metrics.h"
#include "rl/random.h"
#include "rl/schedule.h"
#include "rl/torch.h"

namespace distill {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

// Positions a network works on at a time per shard, where the run file does not say.
constexpr int64_t kMicroBatchTokens = 4096;
// Seconds between checkpoints, where the run file does not say.
constexpr double kCheckpointSeconds = 600;
// The decay of a budget of tokens is drawn over so many parts.
constexpr int64_t kBudgetParts = 1000000;

// Parameters from which threads inside operators serve better than shards.
constexpr int64_t kLargeModel = 200'000'000;

int64_t parameter_count(const agents::Decoder& model) {
  int64_t count = 0;
  for (const auto& parameter : model->parameters()) count += parameter.numel();
  return count;
}

rl::Threads threads_of(const ThreadsConfig& config, const agents::Decoder& model) {
  const int cores = rl::core_count();
  const auto shards = static_cast<int>(config.shards), inside = static_cast<int>(config.per_shard);
  if (shards > 0) return {shards, inside > 0 ? inside : std::max(1, cores / shards)};
  if (inside > 0) return {std::max(1, cores / inside), inside};
  return parameter_count(model) >= kLargeModel ? rl::Threads{1, cores} : rl::Threads{cores, 1};
}

// Everything a training or scoring stage works with.
struct Inputs {
  std::shared_ptr<const envs::Tokenizer> tokenizer;
  std::string tokenizer_folder;
  agents::Decoder teacher{nullptr}, student{nullptr};
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
  agents::Decoder load(const ModelConfig& model, bool frozen, const std::string& role) const;
  void load_inputs();
  void check_lengths(const agents::Decoder& model, const std::string& role) const;
  EvaluationTask evaluation_task() const;
  rl::TrainOptions train_options() const;
  LearnerSettings settings(const rl::Progress& progress, const rl::TrainOptions& options) const;
  bool learn(const StageSpec& method, StageResult& result);
  void save_student() const;

  const RunConfig& run_;
  const StageConfig& stage_;
  const StagePaths& paths_;
  const StageEvents& events_;
  Inputs inputs_;
};

agents::Decoder StageRun::load(const ModelConfig& model, bool frozen,
                               const std::string& role) const {
  agents::Decoder decoder =
      make_model(model, paths_, inputs_.tokenizer->size(), frozen, stage_.train.compute,
                 rl::role_key(static_cast<uint64_t>(run_.seed), role));
  decoder->to(torch::Device(run_.device));
  const int64_t padded = decoder->config().vocabulary_size, size = decoder->vocabulary_size();
  say(role + ": " + std::to_string(parameter_count(decoder)) + " parameters" +
      (padded > size ? ", head trimmed from " + std::to_string(padded) + " to the tokenizer's " +
                           std::to_string(size) + " tokens"
                     : ""));
  if (size < inputs_.tokenizer->size()) {
    throw error_at(model.mark, role + ": its vocabulary of " + std::to_string(size) +
                                   " is smaller than the tokenizer's " +
                                   std::to_string(inputs_.tokenizer->size()));
  }
  check_lengths(decoder, role);
  return decoder;
}

void StageRun::check_lengths(const agents::Decoder& model, const std::string& role) const {
  const int64_t response = std::max(stage_.train.max_new_tokens, stage_.data.response_tokens);
  const int64_t longest = stage_.data.prompt_tokens + response;
  if (longest > model->config().context) {
    throw error_at(stage_.mark, role + ": prompts of " + std::to_string(stage_.data.prompt_tokens) +
                                    " and responses of " + std::to_string(response) +
                                    " tokens do not fit its context of " +
                                    std::to_string(model->config().context));
  }
}

void StageRun::load_inputs() {
  inputs_.tokenizer_folder = tokenizer_path(stage_, paths_);
  inputs_.tokenizer = envs::load_tokenizer(inputs_.tokenizer_folder);
  if (stage_.teacher) inputs_.teacher = load(*stage_.teacher, /*frozen=*/true, "teacher");
  if (stage_.student) inputs_.student = load(*stage_.student, /*frozen=*/false, "student");
  const agents::Decoder& largest = inputs_.teacher.is_empty() ? inputs_.student : inputs_.teacher;
  inputs_.threads =
      largest.is_empty() ? rl::Threads{rl::core_count(), 1} : threads_of(run_.threads, largest);
  inputs_.validation =
      make_examples(stage_.data, /*validation=*/true, /*needs_response=*/true, inputs_.tokenizer);
}

EvaluationTask StageRun::evaluation_task() const {
  EvaluationTask task;
  const int64_t count =
      stage_.evaluate.examples > 0 ? stage_.evaluate.examples : inputs_.validation->size();
  task.examples = envs::first_examples(*inputs_.validation, count);
  task.tokenizer = inputs_.tokenizer;
  task.teacher = inputs_.teacher;
  // Without a set of its own a method is measured on the likeliest tokens of the teacher.
  task.offer = {.kind = agents::OfferOptions::Kind::top_k, .max_actions = 50};
  task.continuations = stage_.evaluate.continuations;
  task.max_new_tokens = stage_.evaluate.max_new_tokens > 0 ? stage_.evaluate.max_new_tokens
                                                           : stage_.data.response_tokens;
  task.end_ids = end_ids(*inputs_.tokenizer, inputs_.tokenizer_folder);
  task.micro_batch_tokens =
      stage_.train.micro_batch_tokens > 0 ? stage_.train.micro_batch_tokens : kMicroBatchTokens;
  task.threads = inputs_.threads;
  task.seed = static_cast<uint64_t>(run_.seed);
  return task;
}

rl::TrainOptions StageRun::train_options() const {
  return {.steps = stage_.train.steps,
          .step_budget = stage_.train.tokens,
          .batch_size = stage_.train.batch_size,
          .episodes_per_collect = 0,
          .updates_per_collect = stage_.train.updates_per_collect};
}

LearnerSettings StageRun::settings(const rl::Progress& progress,
                                   const rl::TrainOptions& options) const {
  const TrainConfig& train = stage_.train;
  LearnerSettings settings;
  const rl::Decay decay = train.schedule == "linear"     ? rl::Decay::linear
                          : train.schedule == "constant" ? rl::Decay::constant
                                                         : rl::Decay::cosine;
  const rl::LearningRateSchedule fall(decay, 0, kBudgetParts);
  settings.learning_rate = [&progress, options, fall, rate = train.learning_rate,
                            warm_up = train.warmup_steps](int64_t step) {
    const double rise = std::min(
        1.0, static_cast<double>(step + 1) / static_cast<double>(std::max<int64_t>(1, warm_up)));
    const double share = progress.share(options);
    return rate * rise * fall(static_cast<int64_t>(share * static_cast<double>(kBudgetParts)));
  };
  settings.optimizer = {.beta1 = train.betas.at(0),
                        .beta2 = train.betas.at(1),
                        .epsilon = 1e-8,
                        .weight_decay = train.weight_decay};
  settings.max_grad_norm = train.max_grad_norm;
  settings.micro_batch_tokens =
      train.micro_batch_tokens > 0 ? train.micro_batch_tokens : kMicroBatchTokens;
  settings.threads = inputs_.threads;
  return settings;
}

// Trains until the method's stage is done, a checkpoint at a time. False if it was interrupted.
bool StageRun::learn(const StageSpec& method, StageResult& result) {
  const std::string folder = paths_.folder(stage_.name), checkpoints = folder + "/checkpoints";
  const rl::TrainOptions options = train_options();
  Context context;
  context.seed = static_cast<uint64_t>(run_.seed);
  context.threads = inputs_.threads;
  context.student = inputs_.student;
  context.teacher = inputs_.teacher;
  context.examples = inputs_.training;
  context.end_ids = end_ids(*inputs_.tokenizer, inputs_.tokenizer_folder);
  context.max_new_tokens =
      stage_.train.max_new_tokens > 0 ? stage_.train.max_new_tokens : stage_.data.response_tokens;
  rl::Progress progress;
  const LearnerSettings learner = settings(progress, options);
  context.micro_batch_tokens = learner.micro_batch_tokens;
  rl::Agent agent = make_agent(method.agent, context, learner);

  int64_t last_step = -1;
  if (const auto step = rl::latest_checkpoint(checkpoints)) {
    const rl::State state = rl::load_checkpoint(checkpoints, *step);
    progress.load(state.part("progress"));
    agent.memory.load(state.part("memory"), prior_readout(method.agent, context));
    agent.source->load(state.part("source"));
    for (size_t i = 0; i < agent.learners.size(); ++i) {
      agent.learners[i]->load(state.part("learner" + std::to_string(i)));
    }
    last_step = *step;
    say("goes on from the checkpoint of update " + std::to_string(*step));
  }
  rl::MetricsLog log(folder + "/metrics.jsonl", last_step);
  const auto save = [&] {
    rl::State state, part;
    progress.save(part);
    state.put("progress", part);
    part = {};
    agent.memory.save(part);
    state.put("memory", part);
    part = {};
    agent.source->save(part);
    state.put("source", part);
    for (size_t i = 0; i < agent.learners.size(); ++i) {
      part = {};
      agent.learners[i]->save(part);
      state.put("learner" + std::to_string(i), part);
    }
    rl::save_checkpoint(checkpoints, progress.updates, state);
  };

  auto saved_at = Clock::now();
  int64_t saved_step = progress.updates;
  rl::train(agent, options, progress, [&](const rl::Progress& now, const rl::Metrics& metrics) {
    rl::Metrics line = metrics;
    const int64_t every = stage_.train.evaluate_every;
    if (every > 0 && now.updates % every == 0) {
      line["held_out/nats_per_token"] = held_out_nats(inputs_.student, evaluation_task());
    }
    log.write(now.updates, line);
    if (events_.update) events_.update(now, now.share(options), line);
    const bool due =
        stage_.train.checkpoint_every > 0
            ? now.updates % stage_.train.checkpoint_every == 0
            : std::chrono::duration<double>(Clock::now() - saved_at).count() > kCheckpointSeconds;
    result.interrupted = events_.interrupted && events_.interrupted();
    if (due || result.interrupted) {
      save();
      saved_at = Clock::now();
      saved_step = now.updates;
    }
    return !result.interrupted;
  });
  if (!result.interrupted && saved_step != progress.updates) save();
  return !result.interrupted;
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
  if (teacher_needed && inputs_.teacher.is_empty()) {
    throw error_at(stage_.mark, "method \"" + stage_.method.name + "\" needs a teacher");
  }
  inputs_.training = make_examples(stage_.data, /*validation=*/false,
                                   needs_responses(method.stages.front().agent), inputs_.tokenizer);
  const EvaluationTask task = evaluation_task();
  StageResult result;
  if (!inputs_.teacher.is_empty()) {
    result.evaluations.push_back(evaluate("teacher", inputs_.teacher, task));
    result.evaluations.push_back(evaluate("student before", inputs_.student, task));
  }
  const auto begin = Clock::now();
  if (!learn(method.stages.front(), result)) return result;
  save_student();
  result.evaluations.push_back(evaluate(stage_.name, inputs_.student, task));
  result.evaluations.back().scores.wall_seconds =
      std::chrono::duration<double>(Clock::now() - begin).count();
  return result;
}

StageResult StageRun::score() {
  load_inputs();
  const EvaluationTask task = evaluation_task();
  StageResult result;
  if (!inputs_.teacher.is_empty()) {
    result.evaluations.push_back(evaluate("teacher", inputs_.teacher, task));
  }
  for (const auto& [name, model] : stage_.evaluate.models) {
    const agents::Decoder decoder = load(model, /*frozen=*/true, name);
    result.evaluations.push_back(evaluate(name, decoder, task));
  }
  return result;
}

StageResult train_tokenizer_stage(const StageConfig& stage, const StagePaths& paths) {
  envs::TrainTokenizerOptions options;
  options.files = text_files(stage.data.train);
  options.vocabulary_size = stage.tokenizer.vocabulary_size;
  options.character_coverage = stage.tokenizer.character_coverage;
  envs::train_tokenizer(options, paths.product(stage.name));
  return {};
}

}  // namespace

StageResult run_stage(const RunConfig& run, const StageConfig& stage, const StagePaths& paths,
                      const StageEvents& events) {
  fs::create_directories(paths.folder(stage.name));
  switch (stage.kind) {
    case StageKind::kTokenizer:
      return train_tokenizer_stage(stage, paths);
    case StageKind::kPretrain:
    case StageKind::kDistill:
      return StageRun(run, stage, paths, events).train();
    case StageKind::kEvaluate:
      break;
  }
  return StageRun(run, stage, paths, events).score();
}

}  // namespace distill
