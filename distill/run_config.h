#pragma once

/// The run file as plain values. `docs/configuration.md` describes every key.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "distill/options.h"
#include "distill/registry.h"
#include "distill/retrieval_config.h"
#include "distill/spec.h"

namespace distill {

/// How many threads compute. 0: chosen by the size of the models.
struct ThreadsConfig {
  int64_t shards = 0;     // parts of a batch that run side by side
  int64_t per_shard = 0;  // threads inside each

  Bindings bindings();
};

/// Where text comes from: files, or a corpus that the machine already has.
struct TextConfig {
  std::vector<std::string> files;  // paths or globs
  std::string builtin;             // "c++_headers": the headers of the compiler's standard library

  Bindings bindings();
  bool given() const { return !files.empty() || !builtin.empty(); }
};

struct DataConfig {
  TextConfig train;
  TextConfig validation;          // absent: a share of `train`
  double validation_share = 0.1;  // of the examples, by a hash of their text; 0: none
  std::string prompt_key = "prompt";
  std::string response_key = "response";
  std::string messages_key = "messages";
  std::string privileged_key;  // of a text that the teacher of some methods reads beside the prompt
  std::string privileged_template = "{privileged}\n\n{prompt}";  // how it reads both
  int64_t privileged_tokens = 256;  // the longest prompt with its privileged text
  std::string separator;            // text files: between documents; empty: a file is one
  int64_t prompt_tokens = 64;       // the longest prompt; text files: of a window
  int64_t response_tokens = 128;    // the longest response; text files: what follows in a window
  std::string on_error = "fail";    // a broken line or empty prompt: "fail", or "skip" and count
  std::string too_long = "fail";    // a longer prompt: "cut" (its end is kept), "skip" or "fail"

  Bindings bindings();
};

/// Where a tokenizer comes from, or how a `tokenizer` stage makes one.
struct TokenizerConfig {
  std::string path;                 // folder or file
  std::string stage;                // of kind `tokenizer`
  int64_t vocabulary_size = 4096;   // a stage: entries, special ones included
  double character_coverage = 1.0;  // a stage: share of the characters that get an entry

  Bindings bindings();
};

/// Where a model comes from: exactly one of path, stage, config, layers_of.
struct ModelConfig {
  std::string path;         // Hugging Face folder
  std::string stage;        // the student of that stage
  std::string config_path;  // folder or config.json: random weights from the run's seed
  Options config;           // the same, written in the run file
  std::shared_ptr<const ModelConfig> layers_of;  // every n-th layer of another
  int64_t every = 2;                             // n
  std::string dtype = "float32";                 // or "bfloat16": how weights are held
  std::string tokenizer;  // of a teacher with tokens of its own; empty: in its folder
  Mark mark;

  bool is_random() const { return !config_path.empty() || !config.empty(); }
};

/// `method`: a name of distill/registry.h and its options.
struct MethodConfig {
  std::string name;
  Options options;
  Mark mark;
};

const MethodEntry& find_method(const MethodConfig& method);

struct TrainConfig {
  int64_t steps = 0;               // updates
  int64_t tokens = 0;              // or a budget of trained tokens
  int64_t environment_steps = 0;   // or, in a world, of steps taken in it
  int64_t batch_size = 8;          // examples per update
  int64_t micro_batch_tokens = 0;  // tokens per forward pass; 0: chosen by memory
  double learning_rate = 5e-5;
  std::string schedule = "cosine";  // or "linear", "constant"
  int64_t warmup_steps = 0;
  double weight_decay = 0.0;
  std::vector<double> betas = {0.9, 0.95};
  double epsilon = 1e-8;            // of AdamW
  double max_grad_norm = 1.0;       // 0: no clipping
  std::string compute = "float32";  // or "bfloat16": type of matrix products
  int64_t max_new_tokens = 0;       // of a rollout; 0: data.response_tokens
  int64_t updates_per_collect = 1;
  int64_t evaluate_every = 0;    // updates; 0: at the end only
  int64_t checkpoint_every = 0;  // updates; 0: every ten minutes
  int64_t log_every = 10;        // updates between lines where there is no terminal

  Bindings bindings();
  /// Keys of `bindings` that say nothing of a world, or nothing of text.
  static std::vector<std::string> only_for_text();
  static std::vector<std::string> only_for_worlds();
};

/// `memory`: contexts of the training text that a language model looks up when it is scored.
struct MemoryConfig {
  int64_t examples = 500;    // whose contexts are remembered
  int64_t top = 32;          // tokens kept of each context
  int64_t neighbours = 32;   // contexts that are looked at
  double temperature = 0.1;  // of their similarities, > 0
  double share = 0.25;       // of what they say in the prediction, in [0, 1]

  Bindings bindings();
};

struct EvaluateConfig {
  int64_t examples = 256;      // held-out examples scored; 0: all
  int64_t continuations = 64;  // of those, how many are also continued
  int64_t max_new_tokens = 0;  // 0: data.response_tokens
  int64_t episodes = 100;      // in a world: played for a score
  std::string teacher;  // of several, the one that students are compared with; empty: the first
  std::optional<MemoryConfig> memory;                       // text: none by default
  std::vector<std::pair<std::string, ModelConfig>> models;  // further rows of the table

  Bindings bindings(bool in_world);  // without memory and models
};

enum class StageKind {
  kTokenizer,
  kPretrain,
  kDistill,
  kEvaluate,
  kClassifier,    // a model learns to label texts
  kSoftPrompt,    // a prompt learns to have texts of a label written
  kSoftPromptRl,  // the same prompt learns from what its texts are worth
  kStore,         // texts are written, labelled and stored
  kRetrieve,      // a student learns to find them
};

/// "tokenizer", "pretrain", "distill", "evaluate", ...
std::string name_of(StageKind kind);

/// Whether the kind is about labelled texts: what `method: retrieval` is made of.
bool is_of_labels(StageKind kind);

/// One stage with everything that the top level of the file gives it.
struct StageConfig {
  std::string name;
  StageKind kind = StageKind::kDistill;
  std::vector<std::string> needs;      // stages, those that models and tokenizer come from included
  std::optional<ComponentSpec> world;  // what is acted in; else text, of `data`
  int64_t demonstrations = 100;        // in a world: episodes of the teacher that make its data
  DataConfig data;
  TokenizerConfig tokenizer;
  std::optional<ModelConfig> teacher, student;
  std::vector<std::pair<std::string, ModelConfig>> teachers;  // instead of `teacher`
  MethodConfig method;  // without a name where the kind trains nothing
  TrainConfig train;
  EvaluateConfig evaluate;
  RetrievalConfig retrieval;  // of kinds that are about labelled texts
  Mark mark;
};

struct RunConfig {
  std::string file;  // as named on the command line
  int64_t seed = 1;
  std::string output;
  std::string device = "cpu";  // or "cuda", "cuda:1"
  ThreadsConfig threads;
  std::vector<StageConfig> stages;  // in an order in which they can run
  bool is_single = true;            // the file has no `stages`: one stage, "distill"

  const StageConfig& stage(const std::string& name) const;
};

/// Whether the stage's teacher has a tokenizer of its own.
bool has_foreign_teacher(const StageConfig& stage);

/// The teacher or teachers, in the order of the file, with their names; a single one is "teacher".
std::vector<std::pair<std::string, ModelConfig>> teachers_of(const StageConfig& stage);

/// The name of the teacher that students are compared with; empty where there is none.
std::string compared_teacher(const StageConfig& stage);

/// Reads a run file and checks everything that can be checked without opening another: unknown
/// keys, types, ranges, names of methods and stages, models given twice or not at all, cycles.
///
/// @param overrides "key.path=value", applied in order.
/// @throws ConfigError that says where and what.
RunConfig load_run_config(const std::string& path, const std::vector<std::string>& overrides = {});

/// The same from values already read.
RunConfig to_run_config(Options options, const std::string& file);

/// The stage with every key it ends up with.
Options to_options(const StageConfig& stage);

/// The whole run with every key it ends up with; reads back to the same RunConfig.
Options to_options(const RunConfig& run);

/// Whether the text names a device: "cpu", "cuda" or "cuda:N".
bool is_device(const std::string& text);

/// Every key the parser knows: ("train", "steps"), ...; top-level keys under "".
std::vector<std::pair<std::string, std::string>> known_keys();

}  // namespace distill
