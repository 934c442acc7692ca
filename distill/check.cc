#include "distill/check.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>

#include "agents/weights.h"
#include "distill/components/components.h"
#include "distill/components/worlds.h"
#include "distill/device.h"
#include "distill/retrieval_stage.h"
#include "distill/run_folder.h"
#include "distill/stage_inputs.h"
#include "distill/world_stage.h"
#include "envs/token/records.h"
#include "rl/torch.h"

namespace distill {
namespace {

namespace fs = std::filesystem;

// What is known of a tokenizer: itself, or only its size while a stage has yet to train it.
struct KnownTokenizer {
  std::shared_ptr<const envs::Tokenizer> tokenizer;
  int64_t size = 0;
  std::string path;
};

bool holds_tokenizer(const fs::path& folder) {
  static constexpr std::array kFiles = {"tokenizer.json", "tokenizer.model", "vocab.json"};
  return std::any_of(kFiles.begin(), kFiles.end(),
                     [&](const char* name) { return fs::exists(folder / name); });
}

std::string counted(int64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

class Checker {
 public:
  Checker(const RunConfig& run, bool is_thorough)
      : run_(run), paths_{run.output, run.is_single}, is_thorough_(is_thorough) {}

  CheckReport report() {
    attempt([&] { require_device(run_.device, "device"); });
    if (is_thorough_) {
      if (const auto refusal = RunFolder::refusal(run_, Existing::kRefuse)) fact(*refusal);
    }
    for (const StageConfig& stage : run_.stages) check_stage(stage);
    return report_;
  }

 private:
  void fact(const std::string& text) { report_.facts.push_back(text); }

  // Notes what is thrown, once, and goes on.
  template <class Action>
  bool attempt(Action action) {
    try {
      action();
      return true;
    } catch (const std::exception& error) {
      const std::string text = error.what(), line = text.substr(0, text.find('\n'));
      auto& problems = report_.problems;
      if (std::find(problems.begin(), problems.end(), line) == problems.end()) {
        problems.push_back(line);
      }
      return false;
    }
  }

  void check_stage(const StageConfig& stage) {
    fact(stage.name + ": " + name_of(stage.kind) +
         (stage.method.name.empty() ? "" : " by " + stage.method.name));
    if (stage.world) return check_world(stage);
    if (is_of_labels(stage.kind)) attempt([&] { check_task(stage); });
    const bool has_files = !is_of_labels(stage.kind) && attempt([&] { check_files(stage); });
    if (stage.kind == StageKind::kTokenizer) return;
    KnownTokenizer tokenizer;
    if (!attempt([&] { tokenizer = tokenizer_of(stage); })) return;
    if (has_files && is_thorough_ && tokenizer.tokenizer) {
      attempt([&] { check_examples(stage, tokenizer); });
    }
    for (const auto& [name, model] : teachers_of(stage)) {
      KnownTokenizer own = tokenizer;
      if (has_foreign_teacher(stage) && !attempt([&] { own = tokenizer_at(model); })) continue;
      check_model(stage, model, name, own);
    }
    if (stage.student) check_model(stage, *stage.student, "student", tokenizer);
    for (const auto& [name, model] : stage.evaluate.models) {
      check_model(stage, model, name, tokenizer);
    }
  }

  void check_world(const StageConfig& stage) {
    attempt([&] {
      const rl::EnvironmentSpec world = make_world(*stage.world, WorldRole())->spec();
      fact("  world: " + stage.world->name + ", " +
           counted(world.observation.shape.back(), "input") + ", " +
           counted(world.action_count, "action"));
      for (const auto* model : {&stage.teacher, &stage.student}) {
        if (*model && made(**model).is_random())
          static_cast<void>(mlp_options(made(**model), world, 0));
      }
    });
  }

  void check_task(const StageConfig& stage) {
    const TaskTexts texts = read_task(stage.retrieval.task, stage.mark);
    fact("  task: " + counted(static_cast<int64_t>(texts.training.size()), "text") +
         ", held out: " + counted(static_cast<int64_t>(texts.validation.size()), "text"));
  }

  void check_files(const StageConfig& stage) {
    const auto count = [](const TextConfig& text) {
      return static_cast<int64_t>(envs::expand_globs(text_files(text)).size());
    };
    std::string text = "  data: " + counted(count(stage.data.train), "file");
    if (stage.data.validation.given()) {
      text += ", held out: " + counted(count(stage.data.validation), "file");
    }
    fact(text);
  }

  KnownTokenizer tokenizer_of(const StageConfig& stage) {
    const std::string& from = stage.tokenizer.stage;
    if (from.empty()) {
      KnownTokenizer known;
      known.path = tokenizer_path(stage, paths_);
      known.tokenizer = envs::load_tokenizer(known.path);
      known.size = known.tokenizer->size();
      return known;
    }
    const StageConfig& maker = run_.stage(from);
    if (maker.kind != StageKind::kTokenizer) return tokenizer_of(maker);
    KnownTokenizer known;
    known.size = maker.tokenizer.vocabulary_size;
    known.path = paths_.product(from);
    return known;
  }

  // Of a teacher that has its own.
  KnownTokenizer tokenizer_at(const ModelConfig& model) const {
    KnownTokenizer known;
    known.path = teacher_tokenizer_path(model, paths_);
    known.tokenizer = envs::load_tokenizer(known.path);
    known.size = known.tokenizer->size();
    return known;
  }

  void check_examples(const StageConfig& stage, const KnownTokenizer& tokenizer) {
    if (!stage.method.name.empty()) {
      const MethodSpec method = find_method(stage.method).build(stage.method.options);
      const auto examples =
          make_examples(stage.data, /*validation=*/false, needs_of(method.stages.front().agent),
                        tokenizer.tokenizer);
      fact("  examples: " + described(examples->report()));
    }
    const auto held_out = make_examples(stage.data, /*validation=*/true, {}, tokenizer.tokenizer);
    fact("  held out: " + described(held_out->report()));
  }

  static std::string described(const envs::ExampleReport& report) {
    std::string text = counted(report.examples, "example");
    const auto add = [&](int64_t count, const std::string& what) {
      if (count > 0) text += ", " + std::to_string(count) + " " + what;
    };
    add(report.malformed, "malformed");
    add(report.empty_prompts, "without a prompt");
    add(report.long_prompts, "too long");
    add(report.truncated_prompts, "with a prompt that is cut");
    return text;
  }

  // The model that another stage makes has the shape of that stage's student.
  const ModelConfig& made(const ModelConfig& model) const {
    return model.stage.empty() ? model : made(*run_.stage(model.stage).student);
  }

  static bool is_on_disk(const ModelConfig& model) {
    return model.layers_of ? is_on_disk(*model.layers_of) : !model.path.empty();
  }

  agents::DecoderConfig config_of_model(const ModelConfig& model, int64_t vocabulary_size) const {
    const ModelConfig& from = made(model);
    if (from.is_random()) return decoder_config(from, vocabulary_size);
    if (from.layers_of) {
      const agents::DecoderConfig whole = config_of_model(*from.layers_of, vocabulary_size);
      std::vector<int64_t> layers;
      for (int64_t i = 0; i < whole.layers; i += from.every) layers.push_back(i);
      return agents::with_layers(whole, layers);
    }
    return agents::load_decoder_config((fs::path(from.path) / "config.json").string());
  }

  void check_model(const StageConfig& stage, const ModelConfig& model, const std::string& role,
                   const KnownTokenizer& tokenizer) {
    attempt([&] {
      const agents::DecoderConfig config = config_of_model(model, tokenizer.size);
      // Nothing touches the parameters, so they cost no memory.
      const agents::Decoder shape(config);
      int64_t parameters = 0;
      for (const auto& parameter : shape->parameters()) parameters += parameter.numel();
      fact("  " + role + ": " + config.model_type + ", " + counted(parameters, "parameter") +
           ", context " + std::to_string(config.context) + ", vocabulary " +
           std::to_string(config.vocabulary_size));
      check_fits(config, stage, model, role, tokenizer.size);
    });
    attempt([&] { check_vocabulary(model, role, tokenizer); });
    if (is_thorough_ && is_on_disk(made(model))) {
      attempt(
          [&] { make_model(made(model), paths_, tokenizer.size, /*frozen=*/true, "float32", 0); });
    }
  }

  void check_fits(const agents::DecoderConfig& config, const StageConfig& stage,
                  const ModelConfig& model, const std::string& role, int64_t vocabulary) const {
    if (config.vocabulary_size < vocabulary) {
      throw error_at(model.mark,
                     role + ": its vocabulary of " + std::to_string(config.vocabulary_size) +
                         " is smaller than the tokenizer's " + std::to_string(vocabulary));
    }
    if (is_of_labels(stage.kind)) return check_texts_fit(config, stage, model, role);
    const int64_t response = std::max(
        {stage.train.max_new_tokens, stage.evaluate.max_new_tokens, stage.data.response_tokens});
    const int64_t prompt = longest_prompt(stage);
    if (prompt + response <= config.context) return;
    throw error_at(model.mark, role + ": prompts of " + std::to_string(prompt) +
                                   " and responses of " + std::to_string(response) +
                                   " tokens do not fit its context of " +
                                   std::to_string(config.context));
  }

  // Of each label's set, wherever the prompt comes from.
  int64_t prompt_tokens(const StageConfig& stage) const {
    const SoftPromptConfig& prompt = stage.retrieval.soft_prompt;
    return prompt.stage.empty() ? prompt.tokens : prompt_tokens(run_.stage(prompt.stage));
  }

  void check_texts_fit(const agents::DecoderConfig& config, const StageConfig& stage,
                       const ModelConfig& model, const std::string& role) const {
    int64_t tokens = std::max(stage.retrieval.task.max_tokens, stage.train.max_new_tokens);
    if (role == "teacher") tokens += prompt_tokens(stage) + 1;
    if (tokens <= config.context) return;
    throw error_at(model.mark, role + ": texts of " + std::to_string(tokens) +
                                   " tokens, with what stands before them, do not fit its context "
                                   "of " +
                                   std::to_string(config.context));
  }

  // A model reads ids as its own tokenizer means them.
  void check_vocabulary(const ModelConfig& model, const std::string& role,
                        const KnownTokenizer& tokenizer) const {
    const ModelConfig& from = made(model);
    if (from.layers_of) return check_vocabulary(*from.layers_of, role, tokenizer);
    if (from.path.empty() || !holds_tokenizer(from.path) || from.path == tokenizer.path) return;
    if (!tokenizer.tokenizer) {
      throw error_at(model.mark, role + ": has a tokenizer of its own (" + from.path +
                                     "), but the stage uses one that is trained in this run");
    }
    const auto own = envs::load_tokenizer(from.path);
    if (const auto difference = envs::vocabulary_difference(*tokenizer.tokenizer, *own)) {
      throw error_at(model.mark, role + ": the vocabulary of " + from.path + " is not that of " +
                                     tokenizer.path + ": " + *difference);
    }
  }

  const RunConfig& run_;
  StagePaths paths_;
  bool is_thorough_;
  CheckReport report_;
};

}  // namespace

CheckReport check(const RunConfig& run, bool is_thorough) {
  return Checker(run, is_thorough).report();
}

void require_runnable(const RunConfig& run) {
  const CheckReport report = check(run, /*is_thorough=*/false);
  if (!report.problems.empty()) throw ConfigError(report.problems.front());
}

}  // namespace distill
