#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace envs {

/// How labelled texts are read from files.
struct LabelledOptions {
  std::vector<std::string> files = {};  // paths or globs; *.jsonl holds objects, all else columns
  std::vector<std::string> text =
      {};                       // the keys, or columns, that make the text, joined by a blank
  std::string label = "label";  // the key, or column, of the label
  std::vector<std::string> labels = {};  // the labels there are, in their order
};

/// A text and the label that somebody gave it.
struct LabelledText {
  std::string text;
  int64_t label = 0;  // its place among `labels`
  std::string where;  // "file:line", for messages
};

/// Reads labelled texts. A file of columns is separated by tabs; its columns are named by its first line,
/// or, where all names asked for are numbers, counted from 1. Labels and texts that are no strings
/// in JSON (numbers, truths) are taken as they are written.
///
/// @throws std::invalid_argument "file:line: ..." for a key or column that is missing, an unknown label, an
///     empty text, or a file without texts; std::runtime_error for one that cannot be read.
std::vector<LabelledText> read_labelled(const LabelledOptions& options);

}  // namespace envs
