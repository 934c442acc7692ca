#pragma once

#include <string>

namespace distill {

/// Where the folders of other stages are found: what a stage named so has made.
struct StagePaths {
  std::string output;  // folder of the run
  bool is_single = true;

  /// The folder of a stage: its metrics and checkpoints.
  std::string folder(const std::string& stage) const;
  /// The Hugging Face folder that a stage writes: its student, or its tokenizer.
  std::string product(const std::string& stage) const;
};

}  // namespace distill
