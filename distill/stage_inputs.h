#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agents/nets/decoder.h"
#include "distill/run_config.h"
#include "distill/stage_paths.h"
#include "envs/token/examples.h"
#include "envs/token/tokenizer.h"
#include "rl/parallel.h"

namespace distill {

int64_t parameter_count(const agents::Decoder& model);

/// How the cores work on a model, where the run file leaves it open.
rl::Threads threads_of(const ThreadsConfig& config, const agents::Decoder& model);

/// The folder that a model's files come from, config and tokenizer included; empty for a model made
/// from a config written in the run file.
std::string model_folder(const ModelConfig& model, const StagePaths& paths);

/// The folder or file of a stage's tokenizer: what the run file says, else the teacher's, else the
/// student's.
///
/// @throws ConfigError where none can be found.
std::string tokenizer_path(const StageConfig& stage, const StagePaths& paths);

/// The folder or file of the tokenizer of a teacher that has its own.
///
/// @throws ConfigError where none can be found.
std::string teacher_tokenizer_path(const ModelConfig& teacher, const StagePaths& paths);

/// The shape of a model with random weights.
///
/// @param vocabulary_size where its config names none.
agents::DecoderConfig decoder_config(const ModelConfig& model, int64_t vocabulary_size);

/// A decoder as the run file describes it.
///
/// @param vocabulary_size of the tokenizer, to which padded heads are trimmed; a random model is made
///     with it where its config names no size.
/// @param frozen a model that is only read.
/// @param compute "float32" or "bfloat16".
agents::Decoder make_model(const ModelConfig& model, const StagePaths& paths,
                           int64_t vocabulary_size, bool frozen, const std::string& compute,
                           uint64_t seed);

/// The files that a text configuration means; `builtin: c++_headers` asks the compiler.
///
/// @throws ConfigError where there are none.
std::vector<std::string> text_files(const TextConfig& text);

/// What examples must have beyond a prompt.
struct ExampleNeeds {
  bool response = true;
  bool privileged = false;  // a text that a teacher alone may read
};

ExampleNeeds needs_of(const AgentSpec& agent);

/// Tokens of the longest prompt that a model of the stage reads, with its privileged text where its method
/// has such.
int64_t longest_prompt(const StageConfig& stage);

/// Written examples for training or for evaluation.
///
/// @throws ConfigError where a privileged text is needed and the data names no key of it.
std::shared_ptr<const envs::Examples> make_examples(
    const DataConfig& data, bool validation, const ExampleNeeds& needs,
    std::shared_ptr<const envs::Tokenizer> tokenizer);

/// Ids that end an answer: the tokenizer's EOS.
///
/// @throws ConfigError where it has none.
std::vector<int64_t> end_ids(const envs::Tokenizer& tokenizer, const std::string& where);

}  // namespace distill
