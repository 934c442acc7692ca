#include <iostream>

#include "distill/commands/command_line.h"
#include "distill/options.h"
#include "envs/token/train_tokenizer.h"

namespace distill {

int tokenizer_command(const Words& words) {
  envs::TrainTokenizerOptions options;
  std::string action, output;
  CommandLine line("decant tokenizer train --input FILE ... --output DIR",
                   "Learns a byte-fallback BPE tokenizer from text and writes it to a folder, as "
                   "tokenizer.json and tokenizer.model.");
  line.option("action", value(&action), "train");
  line.option("input", value(&options.files)->multitoken(), "text files or globs");
  line.option("output", value(&output), "the folder");
  line.option("vocabulary-size",
              value(&options.vocabulary_size)->default_value(options.vocabulary_size),
              "entries, <unk>, <s>, </s> and the 256 bytes included");
  line.option(
      "character-coverage",
      value(&options.character_coverage)->default_value(options.character_coverage, "0.9995"),
      "share of the characters that get an entry; the rest is spelt in bytes");
  line.positional("action", 1);
  if (!line.read(words)) return 0;
  if (action != "train") {
    throw ConfigError("decant tokenizer: expected train; see decant tokenizer --help");
  }
  if (options.files.empty() || output.empty()) {
    throw ConfigError("decant tokenizer train: needs --input and --output");
  }
  const int64_t size = envs::train_tokenizer(options, output);
  std::cout << output << ": " << size << " tokens\n";
  return 0;
}

}  // namespace distill
