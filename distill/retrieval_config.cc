#include "distill/retrieval_config.h"

namespace distill {

Bindings TaskConfig::bindings() {
  return {{"files", &files}, {"validation", &validation}, {"validation_share", &validation_share},
          {"text", &text},   {"label", &label},           {"labels", &labels},
          {"most", &most},   {"max_tokens", &max_tokens}};
}

Bindings SoftPromptConfig::bindings() { return {{"tokens", &tokens}, {"stage", &stage}}; }

Bindings StoreConfig::bindings() {
  return {{"stage", &stage},
          {"generated", &generated},
          {"with_examples", &with_examples},
          {"confidence", &confidence},
          {"near_duplicate", &near_duplicate},
          {"temperature", &temperature},
          {"top_p", &top_p}};
}

Bindings AnswerConfig::bindings() {
  return {{"neighbours", &neighbours}, {"temperature", &temperature}, {"share", &share}};
}

TaskConfig to_task(const Options& options) {
  TaskConfig task;
  bind(options, task.bindings());
  require(!task.files.empty(), options, "files: labelled texts");
  require(task.validation.empty() || !options.has("validation_share"), options,
          "one of validation and validation_share");
  require(task.validation_share > 0 && task.validation_share < 1, options,
          "0 < validation_share < 1");
  require(!task.text.empty(), options, "text: the keys or columns that make it");
  require(!task.label.empty(), options, "label: a key or column");
  require(task.labels.size() >= 2, options, "labels: two at least");
  require(task.most >= 0, options, "most >= 0");
  require(task.max_tokens >= 2, options, "max_tokens >= 2");
  return task;
}

SoftPromptConfig to_soft_prompt(const Options& options) {
  SoftPromptConfig prompt;
  bind(options, prompt.bindings());
  require(prompt.tokens >= 1, options, "tokens >= 1");
  require(prompt.stage.empty() || !options.has("tokens"), options, "one of tokens and stage");
  return prompt;
}

std::string to_classifier(const Options& options) {
  std::string stage;
  bind(options, {{"stage", &stage}});
  require(!stage.empty(), options, "stage: whose classifier it is");
  return stage;
}

StoreConfig to_store(const Options& options, bool is_made) {
  StoreConfig store;
  if (!is_made) {
    bind(options, {{"stage", &store.stage}});
    require(!store.stage.empty(), options, "stage: that made the store");
    return store;
  }
  bind(options, without(store.bindings(), {"stage"}));
  require(store.generated >= 0, options, "generated >= 0");
  require(store.generated > 0 || store.with_examples, options,
          "generated > 0 where with_examples is false");
  require(store.confidence >= 0 && store.confidence <= 1, options, "0 <= confidence <= 1");
  require(store.near_duplicate > 0 && store.near_duplicate <= 1, options,
          "0 < near_duplicate <= 1");
  require(store.temperature > 0, options, "temperature > 0");
  require(store.top_p > 0 && store.top_p <= 1, options, "0 < top_p <= 1");
  return store;
}

AnswerConfig to_answer(const Options& options) {
  AnswerConfig answer;
  bind(options, answer.bindings());
  require(answer.neighbours >= 1, options, "neighbours >= 1");
  require(answer.temperature > 0, options, "temperature > 0");
  require(answer.share >= 0 && answer.share <= 1, options, "0 <= share <= 1");
  return answer;
}

Options to_options(const TaskConfig& task) {
  TaskConfig copy = task;
  Options out = options_of(copy.bindings());
  out.erase(task.validation.empty() ? "validation" : "validation_share");
  return out;
}

Options to_options(const SoftPromptConfig& prompt) {
  if (!prompt.stage.empty()) return {{"stage", prompt.stage}};
  return {{"tokens", prompt.tokens}};
}

Options to_options(const StoreConfig& store) {
  if (!store.stage.empty()) return {{"stage", store.stage}};
  StoreConfig copy = store;
  return options_of(without(copy.bindings(), {"stage"}));
}

Options to_options(const AnswerConfig& answer) {
  AnswerConfig copy = answer;
  return options_of(copy.bindings());
}

}  // namespace distill
