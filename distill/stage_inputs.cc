#include "distill/stage_inputs.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "agents/weights.h"
#include "distill/components/components.h"
#include "rl/torch.h"

namespace distill {
namespace fs = std::filesystem;
namespace {

c10::ScalarType type_of(const std::string& name) {
  return name == "bfloat16" ? torch::kBFloat16 : torch::kFloat32;
}

// What a command prints; nothing if it cannot be run.
std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  std::array<char, 4096> buffer{};
  while (fgets(buffer.data(), buffer.size(), pipe) != nullptr) text += buffer.data();
  pclose(pipe);
  return text;
}

// The folders in which the compiler looks for headers, in its order.
std::vector<std::string> include_folders() {
  const std::string said = output_of("LC_ALL=C c++ -E -x c++ -v /dev/null 2>&1");
  std::vector<std::string> folders;
  std::istringstream lines(said);
  bool listing = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#include <...>")) {
      listing = true;
    } else if (line.starts_with("End of search list")) {
      listing = false;
    } else if (listing && line.size() > 1) {
      folders.push_back(fs::weakly_canonical(line.substr(1)).string());
    }
  }
  return folders;
}

// The headers of the C++ standard library: everything below the folder that holds <vector>.
std::vector<std::string> standard_headers() {
  for (const std::string& folder : include_folders()) {
    if (!fs::exists(folder + "/vector")) continue;
    std::set<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file()) continue;
      // The platform's own folder beside the library names a machine; the rest is the same anywhere.
      if (entry.path().string().find("linux-gnu") != std::string::npos) continue;
      files.insert(entry.path().string());
    }
    return {files.begin(), files.end()};
  }
  throw ConfigError("builtin c++_headers: the compiler c++ names no folder with <vector>");
}

// Parameters from which threads inside operators serve better than shards.
constexpr int64_t kLargeModel = 200'000'000;

}  // namespace

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
  // Shards would wait for each other in the one queue of a GPU.
  const bool is_one = !model->head_weight().is_cpu() || parameter_count(model) >= kLargeModel;
  return is_one ? rl::Threads{1, cores} : rl::Threads{cores, 1};
}

std::string model_folder(const ModelConfig& model, const StagePaths& paths) {
  if (!model.path.empty()) return model.path;
  if (!model.stage.empty()) return paths.product(model.stage);
  if (model.layers_of) return model_folder(*model.layers_of, paths);
  if (!model.config_path.empty()) {
    const fs::path path(model.config_path);
    return fs::is_directory(path) ? path.string() : path.parent_path().string();
  }
  return "";
}

std::string tokenizer_path(const StageConfig& stage, const StagePaths& paths) {
  if (!stage.tokenizer.path.empty()) return stage.tokenizer.path;
  if (!stage.tokenizer.stage.empty()) return paths.product(stage.tokenizer.stage);
  std::vector<std::pair<std::string, ModelConfig>> models;
  if (!has_foreign_teacher(stage)) models = teachers_of(stage);
  if (stage.student) models.emplace_back("student", *stage.student);
  for (const auto& [name, model] : models) {
    const std::string folder = model_folder(model, paths);
    if (!folder.empty()) return folder;
  }
  throw error_at(stage.mark, "stage \"" + stage.name +
                                 "\" needs a tokenizer: none is named, and no model has a folder");
}

std::string teacher_tokenizer_path(const ModelConfig& teacher, const StagePaths& paths) {
  const std::string path =
      teacher.tokenizer.empty() ? model_folder(teacher, paths) : teacher.tokenizer;
  if (!path.empty()) return path;
  throw error_at(teacher.mark, "teacher: name its tokenizer (teacher.tokenizer: folder)");
}

agents::DecoderConfig decoder_config(const ModelConfig& model, int64_t vocabulary_size) {
  if (model.config.empty()) {
    const fs::path path(model.config_path);
    return agents::load_decoder_config(
        (fs::is_directory(path) ? path / "config.json" : path).string());
  }
  nlohmann::json json = nlohmann::json::parse(to_json(model.config));
  if (!json.contains("vocab_size")) json["vocab_size"] = vocabulary_size;
  return agents::parse_decoder_config(json.dump(2), model.mark.text());
}

agents::Decoder make_model(const ModelConfig& model, const StagePaths& paths,
                           int64_t vocabulary_size, bool frozen, const std::string& compute,
                           uint64_t seed) {
  agents::DecoderOptions decoder{.compute = type_of(compute), .vocabulary_size = vocabulary_size};
  if (model.is_random()) {
    const agents::DecoderConfig config = decoder_config(model, vocabulary_size);
    decoder.vocabulary_size = std::min(vocabulary_size, config.vocabulary_size);
    return agents::new_decoder(config, seed, decoder);
  }
  if (model.layers_of) {
    const agents::Decoder whole =
        make_model(*model.layers_of, paths, vocabulary_size, /*frozen=*/true, "float32", seed);
    return agents::every_nth_layer(whole, model.every, decoder);
  }
  agents::LoadOptions options{.decoder = decoder, .frozen = frozen};
  if (frozen && model.dtype == "bfloat16") {
    options.keep_bfloat16 = true;
    options.decoder.compute = torch::kBFloat16;
  }
  return agents::load_decoder(model_folder(model, paths), options);
}

std::vector<std::string> text_files(const TextConfig& text) {
  return text.builtin.empty() ? text.files : standard_headers();
}

ExampleNeeds needs_of(const AgentSpec& agent) {
  return {.response = needs_responses(agent), .privileged = needs_privileged(agent)};
}

int64_t longest_prompt(const StageConfig& stage) {
  if (stage.method.name.empty()) return stage.data.prompt_tokens;
  const MethodSpec method = find_method(stage.method).build(stage.method.options);
  const bool privileged = needs_privileged(method.stages.front().agent);
  return std::max(stage.data.prompt_tokens, privileged ? stage.data.privileged_tokens : 0);
}

std::shared_ptr<const envs::Examples> make_examples(
    const DataConfig& data, bool validation, const ExampleNeeds& needs,
    std::shared_ptr<const envs::Tokenizer> tokenizer) {
  if (needs.privileged && data.privileged_key.empty()) {
    throw ConfigError(
        "the method's teacher reads a privileged text: data.privileged_key must name it");
  }
  const bool split = !data.validation.given();
  envs::ExampleOptions options;
  options.files = text_files(validation && !split ? data.validation : data.train);
  options.keys.prompt = data.prompt_key;
  options.keys.response = data.response_key;
  options.keys.messages = data.messages_key;
  options.needs_response = needs.response;
  if (needs.privileged) options.keys.privileged = data.privileged_key;
  options.privileged_template = data.privileged_template;
  options.max_privileged_tokens = data.privileged_tokens;
  options.separator = data.separator;
  options.prompt_tokens = options.max_prompt_tokens = data.prompt_tokens;
  options.response_tokens = options.max_response_tokens = data.response_tokens;
  options.on_error = options.empty_prompt =
      data.on_error == "skip" ? envs::OnError::kSkip : envs::OnError::kFail;
  options.long_prompt = data.too_long == "cut"    ? envs::LongPrompt::kTruncateLeft
                        : data.too_long == "skip" ? envs::LongPrompt::kSkip
                                                  : envs::LongPrompt::kFail;
  if (split) {
    options.part = validation ? envs::Part::kValidation : envs::Part::kTraining;
    options.validation_fraction = data.validation_share;
  }
  try {
    return std::make_shared<envs::Examples>(options, std::move(tokenizer));
  } catch (const std::invalid_argument& error) {
    throw std::runtime_error((validation ? "held-out data: " : "training data: ") +
                             std::string(error.what()));
  }
}

std::vector<int64_t> end_ids(const envs::Tokenizer& tokenizer, const std::string& where) {
  if (!tokenizer.eos_id()) {
    throw ConfigError(where + ": the tokenizer names no EOS token, so no answer can end");
  }
  return {*tokenizer.eos_id()};
}

}  // namespace distill
