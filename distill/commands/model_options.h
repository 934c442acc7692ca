#pragma once

#include <memory>
#include <string>

#include "agents/nets/decoder.h"
#include "distill/commands/command_line.h"
#include "envs/token/tokenizer.h"
#include "rl/parallel.h"

namespace distill {

/// Which model a command uses, and where it computes.
struct ModelOptions {
  std::string folder;
  std::string device = "cpu";
  std::string compute = "float32";

  void add_to(CommandLine& line);
};

/// A model that is only read, with its tokenizer.
struct LoadedModel {
  agents::Decoder decoder{nullptr};
  std::shared_ptr<const envs::Tokenizer> tokenizer;
};

/// @throws ConfigError for options out of range; what loading throws.
agents::Decoder load_model(const ModelOptions& options, int64_t vocabulary_size = 0);

/// @throws std::runtime_error also where the head is smaller than the tokenizer's vocabulary.
LoadedModel load_with_tokenizer(const ModelOptions& options);

/// All cores, shared by at most `rows` rows of a batch at a time.
rl::Threads threads_for(int64_t rows);

}  // namespace distill
