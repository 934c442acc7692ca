#include "distill/run_config.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <functional>
#include <map>

#include "distill/build_order.h"
#include "distill/combinations.h"
#include "distill/component_options.h"
#include "distill/yaml.h"

namespace distill {
namespace {

using Names = std::vector<std::string>;

constexpr std::array kKinds = {std::pair{StageKind::kTokenizer, "tokenizer"},
                               std::pair{StageKind::kPretrain, "pretrain"},
                               std::pair{StageKind::kDistill, "distill"},
                               std::pair{StageKind::kEvaluate, "evaluate"},
                               std::pair{StageKind::kClassifier, "classifier"},
                               std::pair{StageKind::kSoftPrompt, "soft_prompt"},
                               std::pair{StageKind::kSoftPromptRl, "soft_prompt_rl"},
                               std::pair{StageKind::kStore, "store"},
                               std::pair{StageKind::kRetrieve, "retrieve"}};

const Names kSections = {"world",       "data",       "tokenizer", "teacher",  "teachers",
                         "student",     "method",     "train",     "evaluate", "task",
                         "soft_prompt", "classifier", "store",     "answer"};

// Which sections a kind of stage uses. A stage does not inherit the others from the top level.
Names sections_of(StageKind kind) {
  switch (kind) {
    case StageKind::kTokenizer:
      return {"data", "tokenizer"};
    case StageKind::kPretrain:
      return {"world", "data", "tokenizer", "student", "method", "train", "evaluate"};
    case StageKind::kDistill:
      return {"world",   "data",   "tokenizer", "teacher", "teachers",
              "student", "method", "train",     "evaluate"};
    case StageKind::kEvaluate:
      return {"world", "data", "tokenizer", "teacher", "teachers", "evaluate"};
    case StageKind::kClassifier:
      return {"task", "tokenizer", "student", "method", "train"};
    case StageKind::kSoftPrompt:
    case StageKind::kSoftPromptRl:
      return {"task",  "tokenizer", "teacher",     "method",
              "train", "evaluate",  "soft_prompt", "classifier"};
    case StageKind::kStore:
      return {"task", "tokenizer", "teacher", "soft_prompt", "classifier", "store"};
    case StageKind::kRetrieve:
      return {"task", "tokenizer", "student", "method", "train", "store", "answer"};
  }
  return {};
}

const Names kModelSources = {"path", "stage", "config", "layers_of"};

bool contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// ---- Laying a stage's section over the top level's ------------------------------------------------

// Keys of a section of which one excludes the others: naming one drops what the top level chose.
std::vector<Names> alternatives(const std::string& section) {
  if (section == "teacher" || section == "student") {
    return {{"path", "stage", "config", "layers_of", "every"}};
  }
  if (section == "tokenizer") return {{"path", "stage"}};
  if (section == "soft_prompt") return {{"tokens", "stage"}};
  if (section == "task") return {{"validation", "validation_share"}};
  if (section == "data.train" || section == "data.validation") return {{"files", "builtin"}};
  if (section == "train") return {{"steps", "tokens", "environment_steps"}};
  return {};
}

Options overlay(const std::string& section, Options base, const Options& over) {
  // The options of one method, or of one world, mean nothing to another.
  if ((section == "method" || section == "world") && over.has("name")) return over;
  for (const Names& group : alternatives(section)) {
    const bool chosen = std::any_of(group.begin(), group.end(),
                                    [&](const std::string& name) { return over.has(name); });
    for (const std::string& name : group) {
      if (chosen) base.erase(name);
    }
  }
  for (const Options::Entry& entry : over.entries()) {
    const Value* below = base.find(entry.name);
    const Options* inner = entry.value.as<Options>();
    Value value = entry.value;
    if (section == "data" && inner != nullptr && below != nullptr && below->as<Options>()) {
      value = overlay("data." + entry.name, *below->as<Options>(), *inner);
      value.mark = entry.value.mark;
    }
    base.set(entry.name, value, entry.mark);
  }
  base.mark = over.mark;
  return base;
}

// ---- Sections -------------------------------------------------------------------------------------

void check_share(double value, const Options& options, const std::string& statement) {
  require(value >= 0 && value < 1, options, statement);
}

TextConfig to_text(const Options& options) {
  TextConfig text;
  bind(options, text.bindings());
  require(text.files.empty() || text.builtin.empty(), options, "one of files and builtin");
  if (!text.builtin.empty()) require_one_of(text.builtin, {"c++_headers"}, options, "builtin");
  return text;
}

DataConfig to_data(const Options& options) {
  DataConfig data;
  Options train, validation;
  bind(options, Bindings{{"train", &train}, {"validation", &validation}} + data.bindings());
  data.train = to_text(train);
  data.validation = to_text(validation);
  require(data.train.given(), options, "train: {files: [...]} or train: {builtin: ...}");
  require(!(data.validation.given() && options.has("validation_share")), options,
          "one of validation and validation_share");
  check_share(data.validation_share, options, "0 <= validation_share < 1");
  require(data.prompt_tokens >= 1, options, "prompt_tokens >= 1");
  require(data.response_tokens >= 1, options, "response_tokens >= 1");
  require(data.privileged_tokens >= 1, options, "privileged_tokens >= 1");
  require(data.privileged_template.find("{privileged}") != std::string::npos, options,
          "\"{privileged}\" in privileged_template");
  require_one_of(data.on_error, {"fail", "skip"}, options, "on_error");
  require_one_of(data.too_long, {"cut", "skip", "fail"}, options, "too_long");
  return data;
}

Options to_options(const TextConfig& text) {
  if (!text.builtin.empty()) return {{"builtin", text.builtin}};
  return {{"files", Value::List(text.files.begin(), text.files.end())}};
}

Options to_options(const DataConfig& data) {
  DataConfig copy = data;
  Options out{{"train", to_options(data.train)}};
  if (data.validation.given()) out.set("validation", to_options(data.validation));
  const Options rest = options_of(copy.bindings());
  for (const Options::Entry& entry : rest.entries()) {
    if (entry.name == "validation_share" && copy.validation.given()) continue;
    out.set(entry.name, entry.value);
  }
  return out;
}

ModelConfig to_model(const Options& options) {
  ModelConfig model;
  Value config;
  Options layers_of;
  bind(options, {{"path", &model.path},
                 {"stage", &model.stage},
                 {"config", &config},
                 {"layers_of", &layers_of},
                 {"every", &model.every},
                 {"dtype", &model.dtype},
                 {"tokenizer", &model.tokenizer}});
  const auto given = std::count_if(kModelSources.begin(), kModelSources.end(),
                                   [&](const std::string& name) { return options.has(name); });
  require(given == 1, options, "exactly one of path, stage, config, layers_of");
  require(!options.has("every") || options.has("layers_of"), options,
          "layers_of where every is set");
  require(model.every >= 1, options, "every >= 1");
  require_one_of(model.dtype, {"float32", "bfloat16"}, options, "dtype");
  model.mark = options.mark;
  if (const Options* map = config.as<Options>()) {
    model.config = *map;
  } else if (options.has("config")) {
    bind(
        options,
        {{"config", &model.config_path}, {"dtype", &model.dtype}, {"tokenizer", &model.tokenizer}});
  }
  if (options.has("layers_of")) {
    model.layers_of = std::make_shared<const ModelConfig>(to_model(layers_of));
  }
  return model;
}

Options to_options(const ModelConfig& model) {
  Options out;
  if (!model.path.empty()) out.set("path", model.path);
  if (!model.stage.empty()) out.set("stage", model.stage);
  if (!model.config_path.empty()) out.set("config", model.config_path);
  if (!model.config.empty()) out.set("config", model.config);
  if (model.layers_of) {
    out.set("layers_of", to_options(*model.layers_of));
    out.set("every", model.every);
  }
  out.set("dtype", model.dtype);
  if (!model.tokenizer.empty()) out.set("tokenizer", model.tokenizer);
  return out;
}

ComponentSpec to_world(const Options& options) {
  const Value* name = options.find("name");
  if (name == nullptr) throw error_at(options.mark, "world: needs a name");
  return component(Value(options));
}

TokenizerConfig to_tokenizer(const Options& options, StageKind kind) {
  TokenizerConfig tokenizer;
  bind(options, tokenizer.bindings());
  if (kind == StageKind::kTokenizer) {
    require(tokenizer.path.empty() && tokenizer.stage.empty(), options,
            "no path and no stage where a stage trains the tokenizer");
    require(tokenizer.vocabulary_size >= 300, options, "vocabulary_size >= 300");
    require(tokenizer.character_coverage > 0 && tokenizer.character_coverage <= 1, options,
            "0 < character_coverage <= 1");
  } else {
    require(tokenizer.path.empty() || tokenizer.stage.empty(), options, "one of path and stage");
  }
  return tokenizer;
}

MethodConfig to_method(const Options& options) {
  MethodConfig method{.name = "", .options = options, .mark = options.mark};
  const Value* name = options.find("name");
  if (name == nullptr) throw error_at(options.mark, "method: needs a name");
  Binding("name", &method.name).assign(*name);
  method.options.erase("name");
  // Made once here, so that whatever is wrong with its options is found before anything runs.
  const MethodSpec spec = find_method(method.name, name->mark).build(method.options);
  check_components(spec);
  for (const StageSpec& stage : spec.stages) check_combination(stage.agent);
  return method;
}

Options to_options(const MethodConfig& method) {
  Options out{{"name", method.name}};
  for (const Options::Entry& entry : method.options.entries()) out.set(entry.name, entry.value);
  return out;
}

TrainConfig to_train(const Options& options, bool in_world) {
  TrainConfig train;
  bind(options, train.bindings());
  for (const std::string& name :
       in_world ? TrainConfig::only_for_text() : TrainConfig::only_for_worlds()) {
    const Value* given = options.find(name);
    if (given == nullptr) continue;
    throw error_at(given->mark,
                   "train." + name + (in_world ? ": a world has no tokens" : ": text is no world"));
  }
  const Names budgets = {"steps", in_world ? "environment_steps" : "tokens"};
  require(options.has(budgets[0]) != options.has(budgets[1]), options,
          "exactly one of steps and " + budgets[1]);
  require(!options.has("steps") || train.steps >= 1, options, "steps >= 1");
  require(!options.has("tokens") || train.tokens >= 1, options, "tokens >= 1");
  require(!options.has("environment_steps") || train.environment_steps >= 1, options,
          "environment_steps >= 1");
  require(train.batch_size >= 1, options, "batch_size >= 1");
  require(train.micro_batch_tokens >= 0, options, "micro_batch_tokens >= 0");
  require(train.learning_rate > 0, options, "learning_rate > 0");
  require_one_of(train.schedule, {"constant", "linear", "cosine"}, options, "schedule");
  require(train.warmup_steps >= 0, options, "warmup_steps >= 0");
  require(train.weight_decay >= 0, options, "weight_decay >= 0");
  require(train.betas.size() == 2 && std::all_of(train.betas.begin(), train.betas.end(),
                                                 [](double b) { return b >= 0 && b < 1; }),
          options, "betas: two numbers, each in [0, 1)");
  require(train.epsilon > 0, options, "epsilon > 0");
  require(train.max_grad_norm >= 0, options, "max_grad_norm >= 0");
  require_one_of(train.compute, {"float32", "bfloat16"}, options, "compute");
  require(train.max_new_tokens >= 0, options, "max_new_tokens >= 0");
  require(train.updates_per_collect >= 1, options, "updates_per_collect >= 1");
  require(train.evaluate_every >= 0, options, "evaluate_every >= 0");
  require(train.checkpoint_every >= 0, options, "checkpoint_every >= 0");
  require(train.log_every >= 1, options, "log_every >= 1");
  return train;
}

std::vector<std::pair<std::string, ModelConfig>> to_models(const Options& named) {
  std::vector<std::pair<std::string, ModelConfig>> models;
  for (const Options::Entry& entry : named.entries()) {
    Options map;
    Binding(entry.name, &map).assign(entry.value);
    models.emplace_back(entry.name, to_model(map));
  }
  return models;
}

Options to_options(const std::vector<std::pair<std::string, ModelConfig>>& models) {
  Options out;
  for (const auto& [name, model] : models) out.set(name, to_options(model));
  return out;
}

MemoryConfig to_memory(const Options& options) {
  MemoryConfig memory;
  bind(options, memory.bindings());
  require(memory.examples >= 1, options, "examples >= 1");
  require(memory.top >= 1, options, "top >= 1");
  require(memory.neighbours >= 1, options, "neighbours >= 1");
  require(memory.temperature > 0, options, "temperature > 0");
  require(memory.share >= 0 && memory.share <= 1, options, "0 <= share <= 1");
  return memory;
}

EvaluateConfig to_evaluate(const Options& options, bool in_world) {
  EvaluateConfig evaluate;
  Options models, memory;
  Bindings known = evaluate.bindings(in_world) + Bindings{{"models", &models}};
  if (!in_world) known.add({"memory", &memory});
  bind(options, known);
  if (options.has("memory")) evaluate.memory = to_memory(memory);
  require(evaluate.episodes >= 1, options, "episodes >= 1");
  require(evaluate.examples >= 0, options, "examples >= 0");
  require(evaluate.continuations >= 0, options, "continuations >= 0");
  require(evaluate.max_new_tokens >= 0, options, "max_new_tokens >= 0");
  evaluate.models = to_models(models);
  return evaluate;
}

Options to_options(const EvaluateConfig& evaluate, bool in_world) {
  EvaluateConfig copy = evaluate;
  Options out = options_of(copy.bindings(in_world));
  if (copy.teacher.empty()) out.erase("teacher");
  if (copy.memory) out.set("memory", options_of(copy.memory->bindings()));
  if (!copy.models.empty()) out.set("models", to_options(copy.models));
  return out;
}

// ---- Stages ---------------------------------------------------------------------------------------

StageKind to_kind(const Value& value) {
  Names known;
  for (const auto& [kind, name] : kKinds) {
    if (value.as<std::string>() != nullptr && *value.as<std::string>() == name) return kind;
    known.emplace_back(name);
  }
  throw error_at(value.mark, "kind: " + unknown("value", value.source, known));
}

// The places a model comes from, through layers_of.
const ModelConfig& origin(const ModelConfig& model) {
  return model.layers_of ? origin(*model.layers_of) : model;
}

// A tokenizer that the file does not name comes with a model: the teacher, else the student, else
// the first to be evaluated.
TokenizerConfig default_tokenizer(const StageConfig& stage) {
  std::vector<const ModelConfig*> models;
  if (stage.teacher && !has_foreign_teacher(stage)) models.push_back(&*stage.teacher);
  for (const auto& [name, model] : stage.teachers) models.push_back(&model);
  if (stage.student) models.push_back(&*stage.student);
  for (const auto& [name, model] : stage.evaluate.models) models.push_back(&model);
  for (const ModelConfig* model : models) {
    const ModelConfig& from = origin(*model);
    if (from.is_random()) continue;
    TokenizerConfig tokenizer;
    tokenizer.path = from.path;
    tokenizer.stage = from.stage;
    return tokenizer;
  }
  throw error_at(stage.mark, "stage \"" + stage.name +
                                 "\" needs a tokenizer: {path: folder} or {stage: name}, for no "
                                 "model of it comes from a folder or a stage");
}

// What a perceptron's model cannot be.
void check_perceptron(const ModelConfig& model) {
  if (model.layers_of) throw error_at(model.mark, "layers_of: a perceptron has no layers to take");
  if (model.dtype != "float32") throw error_at(model.mark, "dtype: a perceptron is float32");
}

// The top level's section with the stage's own laid over it; nothing where neither is given.
std::optional<Options> section(const std::string& name, const Options& top, const Options& own) {
  const Value* below = top.find(name);
  const Value* above = own.find(name);
  Options base, over;
  if (below != nullptr) Binding(name, &base).assign(*below);
  if (above != nullptr) Binding(name, &over).assign(*above);
  if (below == nullptr && above == nullptr) return std::nullopt;
  if (above == nullptr) return base;
  return below == nullptr ? over : overlay(name, base, over);
}

void need(StageConfig& stage, const std::string& other) {
  if (!other.empty() && !contains(stage.needs, other)) stage.needs.push_back(other);
}

void check_compared(const StageConfig& stage) {
  const std::string& name = stage.evaluate.teacher;
  Names names;
  for (const auto& [known, model] : teachers_of(stage)) names.push_back(known);
  if (!name.empty() && !contains(names, name)) {
    throw error_at(stage.mark, "evaluate.teacher: " + unknown("teacher", name, names));
  }
}

// One teacher or several, as the method asks.
void check_teachers(const StageConfig& stage, bool takes_several) {
  if (stage.kind == StageKind::kDistill) check_compared(stage);
  if (stage.teachers.empty()) {
    if (!takes_several || !stage.teacher) return;
    throw error_at(stage.teacher->mark, "method " + stage.method.name +
                                            " asks several teachers: name them under teachers");
  }
  if (!takes_several) {
    throw error_at(stage.teachers.front().second.mark,
                   "method " + stage.method.name + " asks one teacher: name it under teacher");
  }
  if (stage.world) {
    throw error_at(stage.teachers.front().second.mark, "a world has one teacher");
  }
}

// A tokenizer of its own is a teacher's, where the method knows what to do with it.
void check_tokenizers(const StageConfig& stage, bool is_foreign) {
  for (const auto& [name, model] : teachers_of(stage)) {
    if (model.tokenizer.empty() || is_foreign) continue;
    throw error_at(model.mark, name + ".tokenizer: method " + stage.method.name +
                                   " shares one tokenizer between teacher and student; "
                                   "cross_tokenizer does not");
  }
  if (stage.student && !stage.student->tokenizer.empty()) {
    throw error_at(stage.student->mark,
                   "student.tokenizer: the stage's tokenizer is the student's");
  }
}

// What a stage of labelled texts asks for.
void check_labelled_stage(const StageConfig& stage) {
  const auto missing = [&](const std::string& what) {
    return error_at(stage.mark, "stage \"" + stage.name + "\" of kind " + name_of(stage.kind) +
                                    " needs " + what);
  };
  const bool reads = contains(sections_of(stage.kind), "student");
  if (reads && !stage.student) throw missing("a student");
  if (!reads && !stage.teacher) throw missing("a teacher, that writes");
  if (!stage.method.name.empty() && !find_method(stage.method).has_kinds) {
    throw error_at(stage.method.mark, "a stage of kind " + name_of(stage.kind) +
                                          " takes method retrieval, found " + stage.method.name);
  }
  if (!stage.evaluate.models.empty()) {
    throw error_at(stage.mark, "a stage of kind " + name_of(stage.kind) + " scores no models");
  }
  if (stage.evaluate.memory) {
    throw error_at(stage.mark, "a stage of kind " + name_of(stage.kind) + " takes no memory");
  }
  const bool goes_on = stage.kind == StageKind::kSoftPromptRl || stage.kind == StageKind::kStore;
  if (goes_on && stage.retrieval.soft_prompt.stage.empty()) {
    throw missing("soft_prompt: {stage: name}");
  }
}

// What the kind asks for beyond its sections' own ranges.
void check_stage(const StageConfig& stage) {
  const auto missing = [&](const std::string& what) {
    return error_at(stage.mark, "stage \"" + stage.name + "\" of kind " + name_of(stage.kind) +
                                    " needs a " + what);
  };
  if (stage.kind == StageKind::kTokenizer) return;
  if (stage.kind == StageKind::kEvaluate) {
    if (stage.evaluate.models.empty()) throw missing("map of models under evaluate");
    check_compared(stage);
    return;
  }
  if (is_of_labels(stage.kind)) return check_labelled_stage(stage);
  if (!stage.student) throw missing("student");
  const MethodEntry& method = find_method(stage.method);
  if (method.has_kinds) {
    throw error_at(stage.method.mark, "method " + stage.method.name +
                                          " has kinds of stages of its own, found kind " +
                                          name_of(stage.kind));
  }
  check_training(
      method.build(stage.method.options),
      {.evaluate_every = stage.train.evaluate_every, .batch_size = stage.train.batch_size},
      stage.method.mark);
  const AgentSpec agent = method.build(stage.method.options).stages.front().agent;
  if (watches_held_out(agent) && stage.train.evaluate_every == 0) {
    throw error_at(stage.method.mark, "method " + stage.method.name +
                                          " turns by held-out data here, which train measures "
                                          "every evaluate_every updates: set it");
  }
  check_teachers(stage, takes_teachers(agent));
  check_tokenizers(stage, has_foreign_teacher(agent));
  if (!method.needs_teacher) return;
  if (stage.kind == StageKind::kPretrain) {
    throw error_at(stage.method.mark, "method " + stage.method.name +
                                          " needs a teacher, which a stage of kind pretrain has "
                                          "not; use kind distill");
  }
  if (takes_teachers(agent)) {
    if (stage.teachers.empty())
      throw missing("map of teachers for the method " + stage.method.name);
  } else if (!stage.teacher) {
    throw missing("teacher for the method " + stage.method.name);
  }
}

RetrievalConfig to_retrieval(StageKind kind, std::map<std::string, Options>& given,
                             const std::function<ConfigError(const std::string&)>& missing) {
  RetrievalConfig out;
  const auto has = [&](const std::string& name) { return contains(sections_of(kind), name); };
  if (!given.contains("task")) throw missing("a task: {files: ..., text: ..., labels: ...}");
  out.task = to_task(given["task"]);
  if (has("soft_prompt")) out.soft_prompt = to_soft_prompt(given["soft_prompt"]);
  if (has("classifier")) {
    if (!given.contains("classifier")) throw missing("classifier: {stage: name}");
    out.classifier = to_classifier(given["classifier"]);
  }
  if (has("store")) {
    const bool is_made = kind == StageKind::kStore;
    if (!is_made && !given.contains("store")) throw missing("store: {stage: name}");
    out.store = to_store(given["store"], is_made);
  }
  if (has("answer")) out.answer = to_answer(given["answer"]);
  return out;
}

StageConfig to_stage(const std::string& name, StageKind kind, const Options& top,
                     const Options& own) {
  StageConfig stage;
  stage.name = name;
  stage.kind = kind;
  stage.mark = own.mark;
  Options above = top;
  if (kind == StageKind::kPretrain) above.erase("method");      // it does not distil
  if (kind == StageKind::kStore) above.erase("method");         // it trains nothing
  if (kind == StageKind::kTokenizer) above.erase("tokenizer");  // which names what this one makes
  // One teacher or several: a stage that names either does without the other from the top level.
  if (own.has("teachers")) above.erase("teacher");
  if (own.has("teacher")) above.erase("teachers");
  std::map<std::string, Options> given;
  for (const std::string& section_name : sections_of(kind)) {
    if (auto found = section(section_name, above, own)) given.emplace(section_name, *found);
  }
  for (const std::string& section_name : kSections) {
    const Value* extra = own.find(section_name);
    if (extra == nullptr || contains(sections_of(kind), section_name)) continue;
    throw error_at(extra->mark, "a stage of kind " + name_of(kind) + " takes no " + section_name);
  }
  const auto missing = [&](const std::string& what) {
    return error_at(stage.mark, "stage \"" + name + "\" needs " + what);
  };
  const bool in_world = given.contains("world");
  if (in_world) {
    stage.world = to_world(given["world"]);
    bind(given["data"], {{"demonstrations", &stage.demonstrations}});
    require(stage.demonstrations >= 1, given["data"], "demonstrations >= 1");
    if (given.contains("tokenizer")) {
      throw error_at(given["tokenizer"].mark, "a world needs no tokenizer");
    }
  } else if (is_of_labels(kind)) {
    stage.retrieval = to_retrieval(kind, given, missing);
  } else {
    if (!given.contains("data")) throw missing("data, or a world");
    stage.data = to_data(given["data"]);
  }
  if (given.contains("teacher")) stage.teacher = to_model(given["teacher"]);
  if (given.contains("teachers")) {
    require(!stage.teacher, given["teachers"], "one of teacher and teachers");
    stage.teachers = to_models(given["teachers"]);
    require(stage.teachers.size() >= 2, given["teachers"], "teachers: a map of at least two");
  }
  if (given.contains("student")) stage.student = to_model(given["student"]);
  stage.evaluate = to_evaluate(given["evaluate"], in_world);
  if (!in_world) stage.tokenizer = to_tokenizer(given["tokenizer"], kind);
  if (contains(sections_of(kind), "method")) {
    if (kind == StageKind::kPretrain && !given.contains("method"))
      given["method"].set("name", "sft");
    if (is_of_labels(kind) && !given.contains("method")) given["method"].set("name", "retrieval");
    if (!given.contains("method")) throw missing("a method");
    if (!given.contains("train")) throw missing("train: {steps: ...}, or a budget");
    stage.method = to_method(given["method"]);
    stage.train = to_train(given["train"], in_world);
  }
  if (in_world) {
    for (const auto* model : {&stage.teacher, &stage.student}) {
      if (*model) check_perceptron(**model);
    }
    for (const auto& [model_name, model] : stage.evaluate.models) check_perceptron(model);
  }
  check_stage(stage);
  if (!in_world && kind != StageKind::kTokenizer && stage.tokenizer.path.empty() &&
      stage.tokenizer.stage.empty()) {
    stage.tokenizer = default_tokenizer(stage);
  }
  return stage;
}

// `stages` as a map from names to sections.
std::vector<StageConfig> to_stages(const Options& stages, const Options& top) {
  std::vector<StageConfig> out;
  for (const Options::Entry& entry : stages.entries()) {
    const bool plain = !entry.name.empty() && entry.name[0] != '.' &&
                       std::all_of(entry.name.begin(), entry.name.end(), [](unsigned char c) {
                         return std::isalnum(c) || c == '_' || c == '-' || c == '.';
                       });
    if (!plain) {
      throw error_at(entry.mark,
                     "stage \"" + entry.name + "\": a name is made of letters, digits, - _ and .");
    }
    Options own;
    Binding(entry.name, &own).assign(entry.value);
    Value kind = "distill";
    std::vector<std::string> needs;
    Options unused;
    Bindings known = {{"kind", &kind}, {"needs", &needs}};
    for (const std::string& name : kSections) known.add({name, &unused});
    bind(own, known);
    own.mark = entry.mark;
    out.push_back(to_stage(entry.name, to_kind(kind), top, own));
    out.back().needs = needs;
  }
  return out;
}

// Checks what models and tokenizers refer to, and adds it to `needs`.
void resolve_references(std::vector<StageConfig>& stages) {
  Names names;
  for (const StageConfig& stage : stages) names.push_back(stage.name);
  const auto refer = [&](StageConfig& stage, const std::string& other, const Mark& mark,
                         bool for_tokenizer) {
    if (other.empty()) return;
    const auto found = std::find(names.begin(), names.end(), other);
    if (found == names.end()) throw error_at(mark, unknown("stage", other, names));
    const StageKind kind = stages[static_cast<size_t>(found - names.begin())].kind;
    const bool gives = kind == StageKind::kPretrain || kind == StageKind::kDistill ||
                       kind == StageKind::kClassifier || kind == StageKind::kRetrieve ||
                       (for_tokenizer && kind == StageKind::kTokenizer);
    if (!gives) {
      throw error_at(mark, "stage \"" + other + "\" of kind " + name_of(kind) + " makes no " +
                               (for_tokenizer ? "tokenizer" : "model"));
    }
    need(stage, other);
  };
  const auto refer_to_kind = [&](StageConfig& stage, const std::string& other,
                                 const std::vector<StageKind>& kinds, const std::string& what) {
    if (other.empty()) return;
    const auto found = std::find(names.begin(), names.end(), other);
    if (found == names.end()) throw error_at(stage.mark, unknown("stage", other, names));
    const StageKind kind = stages[static_cast<size_t>(found - names.begin())].kind;
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) {
      throw error_at(stage.mark, "stage \"" + stage.name + "\": stage \"" + other + "\" of kind " +
                                     name_of(kind) + " makes no " + what);
    }
    need(stage, other);
  };
  for (StageConfig& stage : stages) {
    const RetrievalConfig& r = stage.retrieval;
    refer_to_kind(stage, r.soft_prompt.stage, {StageKind::kSoftPrompt, StageKind::kSoftPromptRl},
                  "soft prompt");
    refer_to_kind(stage, r.classifier, {StageKind::kClassifier}, "classifier");
    refer_to_kind(stage, r.store.stage, {StageKind::kStore}, "store");
    refer(stage, stage.tokenizer.stage, stage.mark, true);
    for (const auto* model : {&stage.teacher, &stage.student}) {
      if (*model) refer(stage, origin(**model).stage, origin(**model).mark, false);
    }
    for (const auto& [name, model] : stage.teachers) {
      refer(stage, origin(model).stage, origin(model).mark, false);
    }
    for (const auto& [name, model] : stage.evaluate.models) {
      refer(stage, origin(model).stage, origin(model).mark, false);
    }
  }
}

void sort_stages(std::vector<StageConfig>& stages) {
  std::vector<Need> needs;
  for (const StageConfig& stage : stages) needs.push_back({stage.name, stage.needs, stage.mark});
  std::vector<StageConfig> sorted;
  for (const std::string& name : build_order(needs)) {
    sorted.push_back(*std::find_if(stages.begin(), stages.end(),
                                   [&](const StageConfig& stage) { return stage.name == name; }));
  }
  stages = std::move(sorted);
}

}  // namespace

Bindings ThreadsConfig::bindings() { return {{"shards", &shards}, {"per_shard", &per_shard}}; }

Bindings TextConfig::bindings() { return {{"files", &files}, {"builtin", &builtin}}; }

Bindings DataConfig::bindings() {
  return {{"validation_share", &validation_share},
          {"prompt_key", &prompt_key},
          {"response_key", &response_key},
          {"messages_key", &messages_key},
          {"privileged_key", &privileged_key},
          {"privileged_template", &privileged_template},
          {"privileged_tokens", &privileged_tokens},
          {"separator", &separator},
          {"prompt_tokens", &prompt_tokens},
          {"response_tokens", &response_tokens},
          {"on_error", &on_error},
          {"too_long", &too_long}};
}

Bindings TokenizerConfig::bindings() {
  return {{"path", &path},
          {"stage", &stage},
          {"vocabulary_size", &vocabulary_size},
          {"character_coverage", &character_coverage}};
}

Bindings TrainConfig::bindings() {
  return {{"steps", &steps},
          {"tokens", &tokens},
          {"environment_steps", &environment_steps},
          {"batch_size", &batch_size},
          {"micro_batch_tokens", &micro_batch_tokens},
          {"learning_rate", &learning_rate},
          {"schedule", &schedule},
          {"warmup_steps", &warmup_steps},
          {"weight_decay", &weight_decay},
          {"betas", &betas},
          {"epsilon", &epsilon},
          {"max_grad_norm", &max_grad_norm},
          {"compute", &compute},
          {"max_new_tokens", &max_new_tokens},
          {"updates_per_collect", &updates_per_collect},
          {"evaluate_every", &evaluate_every},
          {"checkpoint_every", &checkpoint_every},
          {"log_every", &log_every}};
}

std::vector<std::string> TrainConfig::only_for_text() {
  return {"tokens", "compute", "max_new_tokens"};
}

std::vector<std::string> TrainConfig::only_for_worlds() { return {"environment_steps"}; }

Bindings MemoryConfig::bindings() {
  return {{"examples", &examples},
          {"top", &top},
          {"neighbours", &neighbours},
          {"temperature", &temperature},
          {"share", &share}};
}

Bindings EvaluateConfig::bindings(bool in_world) {
  if (in_world) return {{"episodes", &episodes}};
  return {{"examples", &examples},
          {"continuations", &continuations},
          {"max_new_tokens", &max_new_tokens},
          {"teacher", &teacher}};
}

std::string name_of(StageKind kind) {
  return std::find_if(kKinds.begin(), kKinds.end(), [&](const auto& k) { return k.first == kind; })
      ->second;
}

bool is_of_labels(StageKind kind) {
  return kind == StageKind::kClassifier || kind == StageKind::kSoftPrompt ||
         kind == StageKind::kSoftPromptRl || kind == StageKind::kStore ||
         kind == StageKind::kRetrieve;
}

const MethodEntry& find_method(const MethodConfig& method) {
  return find_method(method.name, method.mark);
}

bool has_foreign_teacher(const StageConfig& stage) {
  if (stage.method.name.empty()) return false;
  return has_foreign_teacher(
      find_method(stage.method).build(stage.method.options).stages.front().agent);
}

std::vector<std::pair<std::string, ModelConfig>> teachers_of(const StageConfig& stage) {
  if (stage.teacher) return {{"teacher", *stage.teacher}};
  return stage.teachers;
}

std::string compared_teacher(const StageConfig& stage) {
  if (has_foreign_teacher(stage)) return "";  // it has no opinion of the student's tokens
  if (!stage.evaluate.teacher.empty()) return stage.evaluate.teacher;
  const auto teachers = teachers_of(stage);
  return teachers.empty() ? "" : teachers.front().first;
}

const StageConfig& RunConfig::stage(const std::string& name) const {
  for (const StageConfig& stage : stages) {
    if (stage.name == name) return stage;
  }
  throw std::invalid_argument("no stage \"" + name + "\"");
}

RunConfig to_run_config(Options options, const std::string& file) {
  RunConfig run;
  run.file = file;
  run.output = "runs/" + std::filesystem::path(file).stem().string();
  Options threads, stages, unused;
  Bindings known = {{"seed", &run.seed},
                    {"output", &run.output},
                    {"device", &run.device},
                    {"threads", &threads},
                    {"stages", &stages}};
  for (const std::string& name : kSections) known.add({name, &unused});
  bind(options, known);
  bind(threads, run.threads.bindings());
  require(run.seed >= 0, options, "seed >= 0");
  require(!run.output.empty(), options, "output: a folder");
  require(is_device(run.device), options, "device: cpu, cuda or cuda:0, cuda:1, ...");
  require(run.threads.shards >= 0, threads, "shards >= 0");
  require(run.threads.per_shard >= 0, threads, "per_shard >= 0");

  run.is_single = !options.has("stages");
  if (run.is_single) {
    Options own;
    own.mark = options.mark;
    run.stages = {to_stage("distill", StageKind::kDistill, options, own)};
  } else {
    require(!stages.empty(), options, "stages: at least one");
    run.stages = to_stages(stages, options);
  }
  for (const StageConfig& stage : run.stages) {
    require(!stage.world || run.device == "cpu", options, "device: cpu where a world is acted in");
  }
  resolve_references(run.stages);
  sort_stages(run.stages);
  return run;
}

RunConfig load_run_config(const std::string& path, const std::vector<std::string>& overrides) {
  Options options = read_yaml(path);
  for (const std::string& assignment : overrides) apply_override(options, assignment);
  return to_run_config(std::move(options), path);
}

namespace {

void set_labels(const StageConfig& stage, Options& out) {
  const RetrievalConfig& r = stage.retrieval;
  const Names sections = sections_of(stage.kind);
  out.set("task", to_options(r.task));
  if (contains(sections, "soft_prompt")) out.set("soft_prompt", to_options(r.soft_prompt));
  if (contains(sections, "classifier")) out.set("classifier", Options{{"stage", r.classifier}});
  if (contains(sections, "store")) out.set("store", to_options(r.store));
  if (contains(sections, "answer")) out.set("answer", to_options(r.answer));
}

void set_text(const StageConfig& stage, Options& out) {
  if (is_of_labels(stage.kind)) {
    set_labels(stage, out);
  } else {
    out.set("data", to_options(stage.data));
  }
  TokenizerConfig tokenizer = stage.tokenizer;
  Options tokenizer_options = options_of(tokenizer.bindings());
  for (const char* name : {"path", "stage"}) {
    const Value* value = tokenizer_options.find(name);
    if (value->as<std::string>()->empty()) tokenizer_options.erase(name);
  }
  if (stage.kind != StageKind::kTokenizer) {
    tokenizer_options.erase("vocabulary_size");
    tokenizer_options.erase("character_coverage");
  }
  out.set("tokenizer", tokenizer_options);
}

}  // namespace

Options to_options(const StageConfig& stage) {
  Options out{{"kind", name_of(stage.kind)}};
  if (!stage.needs.empty()) out.set("needs", Value::List(stage.needs.begin(), stage.needs.end()));
  if (stage.world) {
    out.set("world", to_options(*stage.world));
    if (stage.teacher) out.set("data", Options{{"demonstrations", stage.demonstrations}});
  } else {
    set_text(stage, out);
  }
  if (stage.teacher) out.set("teacher", to_options(*stage.teacher));
  if (!stage.teachers.empty()) out.set("teachers", to_options(stage.teachers));
  if (stage.student) out.set("student", to_options(*stage.student));
  if (!stage.method.name.empty()) {
    out.set("method", to_options(stage.method));
    TrainConfig train = stage.train;
    Options train_options = options_of(train.bindings());
    for (const char* name : {"steps", "tokens", "environment_steps"}) {
      if (*train_options.find(name)->as<int64_t>() == 0) train_options.erase(name);
    }
    if (stage.world) {
      for (const std::string& name : TrainConfig::only_for_text()) train_options.erase(name);
    }
    out.set("train", train_options);
  }
  if (contains(sections_of(stage.kind), "evaluate")) {
    out.set("evaluate", to_options(stage.evaluate, stage.world.has_value()));
  }
  return out;
}

Options to_options(const RunConfig& run) {
  RunConfig copy = run;
  Options out{{"seed", run.seed},
              {"output", run.output},
              {"device", run.device},
              {"threads", options_of(copy.threads.bindings())}};
  if (run.is_single) {
    Options stage = to_options(run.stages.front());
    stage.erase("kind");
    for (const Options::Entry& entry : stage.entries()) out.set(entry.name, entry.value);
  } else {
    Options stages;
    for (const StageConfig& stage : run.stages) stages.set(stage.name, to_options(stage));
    out.set("stages", stages);
  }
  return out;
}

bool is_device(const std::string& text) {
  if (text == "cpu" || text == "cuda") return true;
  return text.rfind("cuda:", 0) == 0 && text.size() > 5 && text.size() < 8 &&
         text.find_first_not_of("0123456789", 5) == std::string::npos;
}

std::vector<std::pair<std::string, std::string>> known_keys() {
  std::vector<std::pair<std::string, std::string>> keys;
  const auto add = [&](const std::string& section_name, const Bindings& bindings) {
    for (const Binding& binding : bindings.items()) keys.emplace_back(section_name, binding.name());
  };
  for (const char* name : {"seed", "output", "device", "threads", "stages"}) {
    keys.emplace_back("", name);
  }
  for (const std::string& name : kSections) keys.emplace_back("", name);
  add("threads", ThreadsConfig().bindings());
  keys.emplace_back("data", "train");
  keys.emplace_back("data", "validation");
  add("data", TextConfig().bindings());
  add("data", DataConfig().bindings());
  add("tokenizer", TokenizerConfig().bindings());
  for (const std::string& name : kModelSources) keys.emplace_back("models", name);
  keys.emplace_back("models", "every");
  keys.emplace_back("models", "dtype");
  keys.emplace_back("models", "tokenizer");
  keys.emplace_back("method", "name");
  add("train", TrainConfig().bindings());
  add("evaluate", EvaluateConfig().bindings(/*in_world=*/false));
  add("evaluate", EvaluateConfig().bindings(/*in_world=*/true));
  keys.emplace_back("data", "demonstrations");
  keys.emplace_back("world", "name");
  keys.emplace_back("evaluate", "models");
  keys.emplace_back("evaluate", "memory");
  add("memory", MemoryConfig().bindings());
  add("task", TaskConfig().bindings());
  add("soft_prompt", SoftPromptConfig().bindings());
  keys.emplace_back("classifier", "stage");
  add("store", StoreConfig().bindings());
  add("answer", AnswerConfig().bindings());
  keys.emplace_back("stages", "kind");
  keys.emplace_back("stages", "needs");
  return keys;
}

}  // namespace distill
