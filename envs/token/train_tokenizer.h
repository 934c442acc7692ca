#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace envs {

struct TrainTokenizerOptions {
  std::vector<std::string> files = {};  // paths or globs of UTF-8 text
  int64_t vocabulary_size = 8192;       // <unk>, <s>, </s> and the 256 byte tokens included
  double character_coverage = 0.9995;   // of the text; the rarest characters are left to bytes
  int64_t longest_piece = 16;           // characters
};

/// Learns a byte-fallback BPE tokenizer and writes it to a folder, which is made: tokenizer.json and
/// tokenizer_config.json as transformers reads them, and the same as SentencePiece's tokenizer.model.
/// Every text survives a round trip unchanged: nothing is normalised, blanks are characters like
/// others, and no blank is put before a text. The same text gives the same files.
///
/// @return the size of the vocabulary; smaller than asked where the text holds no more pairs.
/// @throws std::invalid_argument for options out of range and for files that are not UTF-8;
///   std::runtime_error for files that cannot be read or written.
int64_t train_tokenizer(const TrainTokenizerOptions& options, const std::string& folder);

}  // namespace envs
