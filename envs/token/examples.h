#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "envs/token/records.h"
#include "envs/token/tokenizer.h"

namespace envs {

/// A prompt and its written answer as ids.
struct Example {
  std::vector<int64_t> prompt;
  std::vector<int64_t> response;  // empty where a record has none
  bool ended = false;             // the last id of the response is EOS: complete, not cut
  std::string where;              // "file:line", for messages
  /// The prompt as a teacher reads it who sees a privileged text; empty where none is asked for.
  std::vector<int64_t> privileged_prompt = {};
};

/// What to do with a record that cannot be used.
enum class OnError { kFail, kSkip };

/// What to do with a prompt of more than `max_prompt_tokens`; truncating keeps its last ids.
enum class LongPrompt { kFail, kSkip, kTruncateLeft };

/// Which records to take: a record's text alone decides on which side of the split it lies.
enum class Part { kAll, kTraining, kValidation };

struct ExampleOptions {
  std::vector<std::string> files =
      {};  // paths or globs; *.jsonl holds records, all else is plain text

  RecordKeys keys = {};
  bool needs_response = true;  // whether a record without a written answer is an error
  /// Where `keys` name a privileged text: what becomes of it and the prompt.
  std::string privileged_template = "{privileged}\n\n{prompt}";

  std::string separator =
      {};  // between the documents of a plain text; "" for one document per file
  int64_t prompt_tokens = 64;    // a document is cut into windows of a prompt ...
  int64_t response_tokens = 64;  // ... and its continuation

  int64_t max_prompt_tokens = 1024;      // of a record
  int64_t max_privileged_tokens = 1024;  // of a prompt with its privileged text
  int64_t max_response_tokens = 1024;    // EOS included; longer answers are cut and not ended

  OnError on_error = OnError::kFail;      // malformed records, invalid UTF-8
  OnError empty_prompt = OnError::kFail;  // a prompt without text
  LongPrompt long_prompt = LongPrompt::kFail;

  Part part = Part::kAll;
  double validation_fraction = 0;  // of the records, in expectation
};

/// What became of the records.
struct ExampleReport {
  int64_t examples = 0;               // windows, where a text is cut
  int64_t malformed = 0;              // left out: on_error
  int64_t empty_prompts = 0;          // left out: empty_prompt
  int64_t long_prompts = 0;           // left out: long_prompt
  int64_t truncated_prompts = 0;      // kept, without their beginning
  std::vector<std::string> problems;  // the first few of those left out, each "file:line: ..."
};

/// A set of examples with random access. Every record is checked when the set is opened; jsonl is
/// then kept as text and tokenised on demand, plain text is kept as ids.
///
/// May be used from several threads at once.
class Examples {
 public:
  /// @throws std::invalid_argument "file:line: ..." for a record that may not be skipped, for a plain text
  ///   where privileged texts are asked for, and where
  ///   no example is left or the tokenizer names no EOS; std::runtime_error for unreadable files.
  Examples(ExampleOptions options, std::shared_ptr<const Tokenizer> tokenizer);
  ~Examples();
  Examples(const Examples&) = delete;
  Examples& operator=(const Examples&) = delete;

  int64_t size() const;

  /// One example, in the order of files and lines.
  ///
  /// @throws std::invalid_argument for an index that is not in [0, size()).
  Example at(int64_t index) const;

  const ExampleReport& report() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Whether a text is held out where this share of all is: by a hash of it alone, whatever stands beside it.
bool is_held_out(std::string_view text, double share);

/// The first `count` examples, or all where there are fewer: the same for every evaluation.
std::vector<Example> first_examples(const Examples& examples, int64_t count);

}  // namespace envs
