#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace envs {

/// Where a jsonl record keeps its texts.
struct RecordKeys {
  std::string prompt = "prompt";
  std::string response = "response";
  std::string messages = "messages";  // [{"role": ..., "content": ...}, ...]
  std::string privileged = "";        // what only a teacher may read; empty: nothing is read
};

/// A prompt and perhaps its written answer, as text.
struct Record {
  std::string prompt, response, privileged;
  bool has_response = false;
};

/// Reads one line of jsonl. A record has either a prompt (and perhaps a response) or messages, of
/// which the last one by the assistant is the response and those before it the prompt, each as
/// "role:\ncontent\n\n" and followed by "assistant:\n". Where a key of a privileged text is named, the
/// record must have it.
///
/// @throws std::invalid_argument for malformed JSON, invalid UTF-8, a missing key or a wrong type.
Record parse_record(std::string_view line, const RecordKeys& keys);

/// A part of a text, in bytes, and the line it starts on (counted from 1).
struct TextSpan {
  size_t start, length;
  int64_t line;
};

/// The lines of a text that are not blank, without their ends.
std::vector<TextSpan> split_lines(std::string_view text);

/// The documents between separators, without blanks at their ends; empty ones are left out. Without
/// a separator the text is one document, as it is. The separator "\n\n" cuts at blank lines.
std::vector<TextSpan> split_documents(std::string_view text, std::string_view separator);

/// Expands paths and globs; the matches of a glob in alphabetical order.
///
/// @throws std::invalid_argument for a pattern that no file matches.
std::vector<std::string> expand_globs(const std::vector<std::string>& patterns);

}  // namespace envs
