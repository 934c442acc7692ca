#pragma once

/// The sections of a run file that stages of labelled texts have: what is read, what is made of it, and how
/// a student answers. `docs/configuration.md` describes every key.

#include <cstdint>
#include <string>
#include <vector>

#include "distill/options.h"

namespace distill {

/// `task`: labelled texts.
struct TaskConfig {
  std::vector<std::string> files;       // paths or globs; *.jsonl holds objects, all else columns
  std::vector<std::string> validation;  // the same for held-out texts; none: a share of `files`
  double validation_share = 0.2;        // of the texts, by a hash of each
  std::vector<std::string> text;        // keys or columns that make the text
  std::string label = "label";          // key or column of the label
  std::vector<std::string> labels;      // the labels there are
  int64_t most = 0;                     // only so many texts are learned from; 0: all
  int64_t max_tokens = 64;              // of a text; longer ones are cut

  Bindings bindings();
};

/// `soft_prompt`: a new one, or that of a stage.
struct SoftPromptConfig {
  int64_t tokens = 20;  // of each label's set, where it is new
  std::string stage;    // whose prompt it is

  Bindings bindings();
};

/// `store`: how it is made, or the stage that made it.
struct StoreConfig {
  std::string stage;          // that made it
  int64_t generated = 4096;   // texts that are written
  bool with_examples = true;  // whether the task's own texts are stored as well
  double confidence = 0.7;  // least soft label that a written text's likeliest label has, in [0, 1]
  double near_duplicate = 0.8;  // share of three-word sequences from which a text repeats another
  double temperature = 1;       // of writing, > 0
  double top_p = 0.95;          // of writing: the likeliest tokens up to this mass, in (0, 1]

  Bindings bindings();
};

/// `answer`: how a student uses what it finds.
struct AnswerConfig {
  int64_t neighbours = 16;   // texts that are looked at
  double temperature = 0.1;  // of their similarities, > 0
  double share = 0.5;  // of what they say in the answer; the rest is the student's own, in [0, 1]

  Bindings bindings();
};

/// All of them. Which a stage has depends on its kind.
struct RetrievalConfig {
  TaskConfig task;
  SoftPromptConfig soft_prompt;
  std::string classifier;  // the stage whose classifier it is
  StoreConfig store;
  AnswerConfig answer;
};

TaskConfig to_task(const Options& options);
SoftPromptConfig to_soft_prompt(const Options& options);
std::string to_classifier(const Options& options);
/// @param is_made whether the stage makes the store, rather than reads one.
StoreConfig to_store(const Options& options, bool is_made);
AnswerConfig to_answer(const Options& options);

/// The section with every key it ends up with.
Options to_options(const TaskConfig& task);
Options to_options(const SoftPromptConfig& prompt);
Options to_options(const StoreConfig& store);
Options to_options(const AnswerConfig& answer);

}  // namespace distill
