#include "distill/retrieval_stage.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "agents/knowledge_store.h"
#include "agents/nets/soft_prompt.h"
#include "agents/text_classifier.h"
#include "distill/components/components.h"
#include "distill/components/label_domain.h"
#include "distill/components/prompt_domain.h"
#include "distill/registry.h"
#include "distill/self_bleu.h"
#include "distill/training.h"
#include "envs/token/examples.h"
#include "rl/checkpoint.h"
#include "rl/ops/retrieval.h"
#include "rl/random.h"
#include "rl/torch.h"

namespace distill {
namespace fs = std::filesystem;

using rl::Tensor;

namespace {

using Clock = std::chrono::steady_clock;
using Texts = std::vector<envs::LabelledText>;

// Texts written at a time while a store is filled.
constexpr int64_t kWrittenAtOnce = 64;
// Seconds between two notes of what has been written.
constexpr double kNoteSeconds = 300;
constexpr const char* kPrompt = "/soft_prompt.safetensors";

const AgentSpec& agent_of(const MethodSpec& method, StageKind kind) {
  return std::find_if(method.stages.begin(), method.stages.end(),
                      [&](const StageSpec& stage) { return stage.name == name_of(kind); })
      ->agent;
}

std::vector<std::string> strings_of(const Texts& texts) {
  std::vector<std::string> out;
  for (const envs::LabelledText& text : texts) out.push_back(text.text);
  return out;
}

// Distributions float32[N, C] against the labels that somebody gave.
struct Right {
  double accuracy = 0, nats = 0;
};
Right right_of(const Tensor& log_probs, const Texts& texts) {
  std::vector<int64_t> labels;
  for (const envs::LabelledText& text : texts) labels.push_back(text.label);
  const Tensor label = torch::tensor(labels, torch::kInt64);
  const Tensor hit = log_probs.argmax(1) == label;
  return {hit.to(torch::kFloat64).mean().item<double>(),
          -log_probs.gather(1, label.unsqueeze(1)).mean().item<double>()};
}

class LabelStage {
 public:
  LabelStage(const RunConfig& run, const StageConfig& stage, const StagePaths& paths,
             const StageEvents& events)
      : run_(run),
        stage_(stage),
        r_(stage.retrieval),
        paths_(paths),
        events_(events),
        tokenizer_folder_(tokenizer_path(stage, paths)),
        tokenizer_(envs::load_tokenizer(tokenizer_folder_)),
        texts_(read_task(r_.task, stage.mark)) {
    end_id_ = end_ids(*tokenizer_, tokenizer_folder_).front();
    say("task: " + std::to_string(texts_.training.size()) +
        " texts, held out: " + std::to_string(texts_.validation.size()));
  }

  StageResult train_classifier();
  StageResult tune_prompt();
  StageResult fill_store();
  StageResult train_retriever();

 private:
  void say(const std::string& text) const {
    if (events_.say) events_.say(text);
  }
  uint64_t seed() const { return static_cast<uint64_t>(run_.seed); }
  int64_t labels() const { return static_cast<int64_t>(r_.task.labels.size()); }
  std::string folder() const { return paths_.folder(stage_.name); }
  std::string product() const { return paths_.product(stage_.name); }

  agents::Decoder load(const ModelConfig& model, bool frozen, const std::string& role) const;
  void expect_fits(const agents::Decoder& model, int64_t tokens, const std::string& role) const;
  std::shared_ptr<agents::TextClassifier> load_classifier() const;
  std::vector<envs::LabelledIds> read_ids_of(const std::vector<std::string>& texts,
                                             const std::vector<int64_t>& given) const;
  PromptDomainOptions prompt_options(const agents::Decoder& teacher, bool has_value) const;
  Evaluation scored(const std::string& name, const PromptDomainOptions& options) const;
  EvaluationTask held_out(const PromptDomainOptions& options) const;
  Learned learned(const Domain& domain, const rl::Threads& threads,
                  const std::function<Training::Measured()>& measure) const;
  std::string tokenizer_source() const {
    return fs::is_directory(tokenizer_folder_) ? tokenizer_folder_
                                               : fs::path(tokenizer_folder_).parent_path().string();
  }
  std::optional<std::vector<std::string>> written(const PromptDomainOptions& options) const;
  agents::KnowledgeStore stored(const std::vector<std::string>& written,
                                const agents::TextClassifier& classifier) const;
  // Log-probabilities of held-out labels: the student's own, and with what it finds.
  struct Answers {
    Tensor own, with_store;
  };
  Answers answers(const agents::TextClassifier& student, const agents::KnowledgeStore& store) const;

  const RunConfig& run_;
  const StageConfig& stage_;
  const RetrievalConfig& r_;
  const StagePaths& paths_;
  const StageEvents& events_;
  std::string tokenizer_folder_;
  std::shared_ptr<const envs::Tokenizer> tokenizer_;
  TaskTexts texts_;
  int64_t end_id_ = 0;
};

agents::Decoder LabelStage::load(const ModelConfig& model, bool frozen,
                                 const std::string& role) const {
  agents::Decoder decoder = make_model(model, paths_, tokenizer_->size(), frozen,
                                       stage_.train.compute, rl::role_key(seed(), role));
  decoder->to(torch::Device(run_.device));
  say(role + ": " + std::to_string(parameter_count(decoder)) + " parameters");
  return decoder;
}

void LabelStage::expect_fits(const agents::Decoder& model, int64_t tokens,
                             const std::string& role) const {
  if (tokens <= model->config().context) return;
  throw error_at(stage_.mark,
                 role + ": texts of " + std::to_string(tokens) +
                     " tokens, with what stands before them, do not fit its context of " +
                     std::to_string(model->config().context));
}

std::shared_ptr<agents::TextClassifier> LabelStage::load_classifier() const {
  ModelConfig from;
  from.stage = r_.classifier;
  const agents::Decoder body = load(from, /*frozen=*/true, "classifier");
  expect_fits(body, r_.task.max_tokens, "classifier");
  return agents::load_classifier(paths_.product(r_.classifier), body, labels());
}

std::vector<envs::LabelledIds> LabelStage::read_ids_of(const std::vector<std::string>& texts,
                                                       const std::vector<int64_t>& given) const {
  std::vector<envs::LabelledIds> out;
  for (size_t i = 0; i < texts.size(); ++i) {
    out.push_back({read_ids(*tokenizer_, texts[i], r_.task.max_tokens), given[i]});
  }
  return out;
}

Learned LabelStage::learned(const Domain& domain, const rl::Threads& threads,
                            const std::function<Training::Measured()>& measure) const {
  const MethodSpec method = find_method(stage_.method).build(stage_.method.options);
  const Training training{
      .domain = domain, .seed = seed(), .threads = threads, .measure = [&](const rl::Progress&) {
        return measure();
      }};
  return learn(agent_of(method, stage_.kind), stage_.train, training, folder(), events_);
}

StageResult LabelStage::train_classifier() {
  const agents::Decoder body = load(*stage_.student, /*frozen=*/false, "classifier");
  expect_fits(body, r_.task.max_tokens, "classifier");
  const auto student = std::make_shared<agents::TextClassifier>(body, labels(), seed());
  std::vector<int64_t> given;
  for (const envs::LabelledText& text : texts_.training) given.push_back(text.label);
  const LabelDomain domain({.seed = seed(),
                            .student = student,
                            .texts = read_ids_of(strings_of(texts_.training), given)});
  const auto held_out = strings_of(texts_.validation);
  const auto right = [&] {
    return right_of(read_texts(*student, *tokenizer_, held_out, r_.task.max_tokens).log_probs,
                    texts_.validation);
  };
  StageResult result;
  const Learned trained = learned(domain, threads_of(run_.threads, body), [&] {
    const Right now = right();
    return Training::Measured{{{"held_out/accuracy", now.accuracy}, {"held_out/nats", now.nats}},
                              now.nats};
  });
  result.interrupted = trained.interrupted;
  if (result.interrupted) return result;
  agents::save_classifier(*student, product(), tokenizer_source());
  Evaluation row;
  row.scores.name = stage_.name;
  row.scores.accuracy = right().accuracy;
  row.scores.wall_seconds = trained.seconds;
  result.evaluations.push_back(row);
  return result;
}

PromptDomainOptions LabelStage::prompt_options(const agents::Decoder& teacher,
                                               bool has_value) const {
  const std::string& from = r_.soft_prompt.stage;
  const agents::SoftPrompt prompt =
      from.empty() ? agents::new_soft_prompt(teacher, labels(), r_.soft_prompt.tokens, seed())
                   : agents::load_soft_prompt(paths_.product(from) + kPrompt, teacher, labels());
  PromptDomainOptions options;
  options.seed = seed();
  options.threads = threads_of(run_.threads, teacher);
  options.student = std::make_shared<agents::PromptedModel>(teacher, prompt, has_value);
  options.reference = agents::Decoder(teacher->with_further_ids(prompt.rows.detach().clone()));
  options.classifier = load_classifier();
  options.tokenizer = tokenizer_;
  options.eos_id = end_id_;
  options.max_text_tokens = r_.task.max_tokens;
  options.max_new_tokens =
      stage_.train.max_new_tokens > 0 ? stage_.train.max_new_tokens : r_.task.max_tokens;
  for (const envs::LabelledText& text : texts_.training) {
    options.texts.push_back({tokenizer_->encode(text.text, /*add_special=*/false), text.label});
  }
  expect_fits(teacher, prompt.tokens + 1 + std::max(options.max_new_tokens, r_.task.max_tokens),
              "teacher");
  return options;
}

EvaluationTask LabelStage::held_out(const PromptDomainOptions& options) const {
  EvaluationTask task;
  const auto most = static_cast<size_t>(stage_.evaluate.examples);
  for (const envs::LabelledText& text : texts_.validation) {
    if (most > 0 && task.examples.size() == most) break;
    task.examples.push_back(
        prompted_example(options, {tokenizer_->encode(text.text, false), text.label}));
  }
  task.tokenizer = tokenizer_;
  task.micro_batch_tokens = micro_batch_tokens(stage_.train);
  task.threads = options.threads;
  return task;
}

// What a prompt's texts are like: whether they are of the label asked for, and how much they repeat each other.
Evaluation LabelStage::scored(const std::string& name, const PromptDomainOptions& options) const {
  Evaluation row;
  row.scores.name = name;
  row.scores.nats_per_token = held_out_nats(options.student->decoder(), held_out(options));
  PromptDomainOptions apart = options;
  apart.seed = rl::role_key(seed(), "evaluation");
  if (stage_.evaluate.continuations > 0) {
    const rl::Trajectory played =
        PromptDomain(apart).rollout({})->collect(torch::arange(stage_.evaluate.continuations), 0);
    const std::vector<std::string> texts = written_texts(played, *tokenizer_);
    const Tensor said =
        read_texts(*options.classifier, *tokenizer_, texts, r_.task.max_tokens).log_probs;
    const Tensor asked = played.episode.remainder(labels());
    row.scores.agreement = (said.argmax(1) == asked).to(torch::kFloat64).mean().item<double>();
    const auto ids = written_ids(played);
    const std::vector<double> repeated = self_bleu(ids, SelfBleuOptions().order);
    row.scores.self_bleu = std::accumulate(repeated.begin(), repeated.end(), 0.0) /
                           static_cast<double>(repeated.size());
    row.scores.distinct = distinct_share(ids, 2);
    for (size_t i = 0; i < texts.size(); ++i) {
      row.continuations.push_back({r_.task.labels[i % r_.task.labels.size()], texts[i], ""});
    }
  }
  return row;
}

StageResult LabelStage::tune_prompt() {
  const bool is_rl = stage_.kind == StageKind::kSoftPromptRl;
  const agents::Decoder teacher = load(*stage_.teacher, /*frozen=*/true, "teacher");
  const PromptDomainOptions options = prompt_options(teacher, is_rl);
  StageResult result;
  if (is_rl) result.evaluations.push_back(scored(stage_.name + " before", options));
  const Learned trained = learned(PromptDomain(options), options.threads, [&] {
    const ModelScores now = scored(stage_.name, options).scores;
    Training::Measured measured{{{"held_out/nats_per_token", *now.nats_per_token}},
                                *now.nats_per_token};
    if (now.agreement) measured.metrics["written/agreement"] = *now.agreement;
    if (now.self_bleu) measured.metrics["written/self_bleu"] = *now.self_bleu;
    return measured;
  });
  result.interrupted = trained.interrupted;
  if (result.interrupted) return result;
  fs::create_directories(product());
  agents::save_soft_prompt(options.student->prompt(), product() + kPrompt);
  result.evaluations.push_back(scored(stage_.name, options));
  result.evaluations.back().scores.wall_seconds = trained.seconds;
  return result;
}

// Texts from the prompt, noted down on the way; nothing if interrupted.
std::optional<std::vector<std::string>> LabelStage::written(
    const PromptDomainOptions& options) const {
  const std::string notes = folder() + "/checkpoints";
  std::vector<Tensor> ids;  // int64[n, max_new_tokens], -1 after the end
  int64_t done = 0;
  if (const auto step = rl::latest_checkpoint(notes)) {
    ids.push_back(rl::load_checkpoint(notes, *step).tensor("ids"));
    done = *step;
    say("goes on from text " + std::to_string(done));
  }
  const auto note = [&] {
    rl::State state;
    state.put("ids", ids.empty() ? torch::zeros({0, options.max_new_tokens}, torch::kInt64)
                                 : torch::cat(ids));
    rl::save_checkpoint(notes, done, state);
  };
  const auto source = PromptDomain(options).rollout(
      {.sampling = {.temperature = r_.store.temperature, .top_p = r_.store.top_p}});
  auto noted_at = Clock::now();
  while (done < r_.store.generated) {
    const int64_t count = std::min(kWrittenAtOnce, r_.store.generated - done);
    const rl::Trajectory t = source->collect(torch::arange(done, done + count), 0);
    const Tensor row = t.action.masked_fill(t.mask.logical_not(), -1).cpu();
    ids.push_back(torch::constant_pad_nd(row, {0, options.max_new_tokens - row.size(1)}, -1));
    done += count;
    const rl::Progress now{.updates = done, .trained_steps = done};
    const double share = static_cast<double>(done) / static_cast<double>(r_.store.generated);
    if (events_.update) events_.update(now, share, {});
    const bool stops = events_.interrupted && events_.interrupted();
    const std::chrono::duration<double> since = Clock::now() - noted_at;
    if (stops || since.count() > kNoteSeconds) {
      note();
      noted_at = Clock::now();
    }
    if (stops) return std::nullopt;
  }
  std::vector<std::string> texts;
  const Tensor all = ids.empty() ? torch::zeros({0, 1}, torch::kInt64) : torch::cat(ids);
  for (int64_t i = 0; i < all.size(0); ++i) {
    const Tensor row = all[i].masked_select(all[i] >= 0).contiguous();
    texts.push_back(tokenizer_->decode({row.data_ptr<int64_t>(), static_cast<size_t>(row.numel())},
                                       /*skip_special=*/true));
  }
  return texts;
}

// The task's own texts, then those written that the classifier is sure of and that repeat none before.
agents::KnowledgeStore LabelStage::stored(const std::vector<std::string>& written,
                                          const agents::TextClassifier& classifier) const {
  agents::KnowledgeStore all;
  all.labels = r_.task.labels;
  if (r_.store.with_examples) {
    for (const envs::LabelledText& text : texts_.training) {
      all.texts.push_back({text.text, text.label, "examples"});
    }
  }
  for (size_t i = 0; i < written.size(); ++i) {
    all.texts.push_back({written[i], static_cast<int64_t>(i) % labels(), "generated"});
  }
  std::vector<std::string> texts;
  for (const agents::StoredText& text : all.texts) texts.push_back(text.text);
  const ReadTexts read = read_texts(classifier, *tokenizer_, texts, r_.task.max_tokens);
  all.probs = read.log_probs.exp();
  all.embeddings = read.embeddings;
  const std::vector<int64_t> distinct = agents::distinct_texts(texts, r_.store.near_duplicate);
  const Tensor sure = std::get<0>(all.probs.max(1)) >= r_.store.confidence;
  std::vector<int64_t> kept;
  for (const int64_t i : distinct) {
    const bool given = all.texts[static_cast<size_t>(i)].source == "examples";
    if (given || sure[i].item<bool>()) kept.push_back(i);
  }
  say(std::to_string(written.size()) + " texts written; of " + std::to_string(texts.size()) + ", " +
      std::to_string(texts.size() - distinct.size()) + " repeat another, " +
      std::to_string(distinct.size() - kept.size()) + " have no sure label, " +
      std::to_string(kept.size()) + " stored");
  if (kept.empty()) {
    throw std::runtime_error("stage \"" + stage_.name + "\": no text is left to store; of " +
                             std::to_string(texts.size()) + " none has a sure label");
  }
  return all.select(kept);
}

StageResult LabelStage::fill_store() {
  const agents::Decoder teacher = load(*stage_.teacher, /*frozen=*/true, "teacher");
  PromptDomainOptions options = prompt_options(teacher, /*has_value=*/false);
  options.seed = rl::role_key(seed(), "store");  // other texts than the prompt has learned from
  StageResult result;
  const auto texts = written(options);
  result.interrupted = !texts;
  if (texts) stored(*texts, *options.classifier).save(product());
  return result;
}

LabelStage::Answers LabelStage::answers(const agents::TextClassifier& student,
                                        const agents::KnowledgeStore& store) const {
  const ReadTexts read =
      read_texts(student, *tokenizer_, strings_of(texts_.validation), r_.task.max_tokens);
  const auto found =
      agents::NearestItems(store.embeddings).search(read.embeddings, r_.answer.neighbours);
  const Tensor said =
      store.probs.index_select(0, found.item.flatten()).unflatten(0, found.item.sizes());
  const Tensor near = rl::ops::read_nearest(found.similarity, said, r_.answer.temperature).probs;
  const Tensor mixed = rl::ops::interpolated(near, read.log_probs.exp(), r_.answer.share);
  return {read.log_probs, mixed.clamp_min(1e-12).log()};
}

StageResult LabelStage::train_retriever() {
  agents::KnowledgeStore store = agents::KnowledgeStore::load(paths_.product(r_.store.stage));
  if (store.labels != r_.task.labels) {
    throw error_at(stage_.mark,
                   "the store of stage \"" + r_.store.stage + "\" has other labels than the task");
  }
  const agents::Decoder body = load(*stage_.student, /*frozen=*/false, "student");
  expect_fits(body, r_.task.max_tokens, "student");
  const auto student = std::make_shared<agents::TextClassifier>(body, labels(), seed());
  std::vector<std::string> texts;
  std::vector<int64_t> given;
  for (const agents::StoredText& text : store.texts) {
    texts.push_back(text.text);
    given.push_back(text.label);
  }
  const LabelDomain domain({.seed = seed(),
                            .student = student,
                            .texts = read_ids_of(texts, given),
                            .log_probs = store.probs.clamp_min(1e-12).log(),
                            .embeddings = store.embeddings});
  const auto with_own_keys = [&] {
    agents::KnowledgeStore own = store;
    own.embeddings = read_texts(*student, *tokenizer_, texts, r_.task.max_tokens).embeddings;
    return own;
  };
  StageResult result;
  const Learned trained = learned(domain, threads_of(run_.threads, body), [&] {
    const Answers now = answers(*student, with_own_keys());
    const Right own = right_of(now.own, texts_.validation);
    const Right both = right_of(now.with_store, texts_.validation);
    return Training::Measured{{{"held_out/accuracy", both.accuracy},
                               {"held_out/accuracy_alone", own.accuracy},
                               {"held_out/nats", both.nats}},
                              both.nats};
  });
  result.interrupted = trained.interrupted;
  if (result.interrupted) return result;
  const agents::KnowledgeStore own = with_own_keys();
  agents::save_classifier(*student, product(), tokenizer_source());
  own.save(product() + "/store");
  const Answers last = answers(*student, own);
  for (const bool with_store : {false, true}) {
    Evaluation row;
    row.scores.name = stage_.name + (with_store ? "" : " without store");
    row.scores.accuracy =
        right_of(with_store ? last.with_store : last.own, texts_.validation).accuracy;
    result.evaluations.push_back(row);
  }
  result.evaluations.back().scores.wall_seconds = trained.seconds;
  return result;
}

}  // namespace

TaskTexts read_task(const TaskConfig& task, const Mark& mark) {
  const envs::LabelledOptions options{
      .files = task.files, .text = task.text, .label = task.label, .labels = task.labels};
  TaskTexts out;
  if (task.validation.empty()) {
    for (envs::LabelledText& text : envs::read_labelled(options)) {
      const bool out_of_training = envs::is_held_out(text.text, task.validation_share);
      (out_of_training ? out.validation : out.training).push_back(std::move(text));
    }
  } else {
    out.training = envs::read_labelled(options);
    envs::LabelledOptions held_out = options;
    held_out.files = task.validation;
    out.validation = envs::read_labelled(held_out);
  }
  if (task.most > 0 && static_cast<int64_t>(out.training.size()) > task.most) {
    out.training.resize(static_cast<size_t>(task.most));
  }
  if (out.training.empty() || out.validation.empty()) {
    throw error_at(mark, std::string("task: no text is left to ") +
                             (out.training.empty() ? "learn from" : "hold out"));
  }
  return out;
}

StageResult run_label_stage(const RunConfig& run, const StageConfig& stage, const StagePaths& paths,
                            const StageEvents& events) {
  LabelStage it(run, stage, paths, events);
  if (stage.kind == StageKind::kClassifier) return it.train_classifier();
  if (stage.kind == StageKind::kStore) return it.fill_store();
  if (stage.kind == StageKind::kRetrieve) return it.train_retriever();
  return it.tune_prompt();
}

}  // namespace distill
