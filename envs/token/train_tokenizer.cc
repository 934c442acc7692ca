#include "envs/token/train_tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <unordered_map>

#include "envs/token/bpe_trainer.h"
#include "envs/token/records.h"
#include "envs/token/regex.h"
#include "envs/token/sentencepiece_model.h"
#include "envs/token/text_file.h"
#include "envs/token/token_decoder.h"
#include "envs/token/utf8.h"

namespace envs {
namespace {

using Counts = std::map<std::string, int64_t>;

constexpr int64_t kFixedTokens = 3 + 256;  // <unk>, <s>, </s> and the bytes

// Names with the blank before them, single digits, punctuation with the line end after it, blank
// lines, indentation: for prose and for source code.
constexpr const char* kWords =
    R"( ?[\p{L}\p{M}_]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}_]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

void check(const TrainTokenizerOptions& options) {
  if (options.vocabulary_size <= kFixedTokens) {
    throw std::invalid_argument("vocabulary_size needs more than " + std::to_string(kFixedTokens) +
                                ", found " + std::to_string(options.vocabulary_size));
  }
  if (!(options.character_coverage > 0 && options.character_coverage <= 1)) {
    throw std::invalid_argument("character_coverage needs 0 < coverage <= 1, found " +
                                std::to_string(options.character_coverage));
  }
  if (options.longest_piece < 1) {
    throw std::invalid_argument("longest_piece needs at least 1, found " +
                                std::to_string(options.longest_piece));
  }
}

Counts count_words(const std::vector<std::string>& files) {
  const Regex pattern(kWords);
  std::unordered_map<std::string, int64_t> counts;
  for (const std::string& file : files) {
    const std::string text = read_file(file);
    expect_utf8(text, file);
    for (size_t from = 0; from < text.size();) {
      const auto word = pattern.find(text, from);
      if (!word) break;
      ++counts[text.substr(word->start, word->end - word->start)];
      from = word->end;
    }
  }
  if (counts.empty()) throw std::invalid_argument("there is no text to learn a tokenizer from");
  return {counts.begin(), counts.end()};
}

// The most frequent characters that together cover the text; U+2581 never, for SentencePiece takes it
// for a blank.
std::vector<std::string> alphabet_of(const Counts& words, double coverage, size_t most) {
  std::map<char32_t, int64_t> counts;
  int64_t total = 0;
  for (const auto& [word, count] : words) {
    for (size_t i = 0; i < word.size(); total += count) counts[next_code_point(word, i)] += count;
  }
  counts.erase(0x2581);
  counts.erase(0);  // SentencePiece ends strings there
  std::vector<std::pair<int64_t, char32_t>> order;
  for (const auto& [character, count] : counts) order.emplace_back(-count, character);
  std::ranges::sort(order);
  std::vector<std::string> alphabet;
  double covered = 0;
  for (const auto& [minus_count, character] : order) {
    if (alphabet.size() >= most || covered >= coverage * static_cast<double>(total)) break;
    append_code_point(alphabet.emplace_back(), character);
    covered -= static_cast<double>(minus_count);
  }
  return alphabet;
}

SentencePieceModel model_of(const std::vector<std::string>& pieces,
                            const std::vector<std::string>& alphabet) {
  using Model = SentencePieceModel;
  Model model{.pieces = {{"<unk>", 0, Model::kUnknown},
                         {"<s>", 0, Model::kControl},
                         {"</s>", 0, Model::kControl}},
              .kind = Model::kBpe,
              .byte_fallback = true,
              .precompiled_charsmap = {},
              .add_dummy_prefix = false,
              .remove_extra_whitespaces = false,
              .escape_whitespaces = false};
  for (int byte = 0; byte < 256; ++byte) {
    model.pieces.push_back({byte_token(byte), 0, Model::kByte});
  }
  float score = 0;
  for (const auto* list : {&pieces, &alphabet}) {
    for (const std::string& piece : *list) model.pieces.push_back({piece, score--, Model::kNormal});
  }
  return model;
}

nlohmann::json config_json() {
  return {{"tokenizer_class", "PreTrainedTokenizerFast"},
          {"bos_token", "<s>"},
          {"eos_token", "</s>"},
          {"unk_token", "<unk>"},
          {"add_bos_token", true},
          {"add_eos_token", false},
          {"clean_up_tokenization_spaces", false}};
}

}  // namespace

int64_t train_tokenizer(const TrainTokenizerOptions& options, const std::string& folder) {
  check(options);
  const Counts words = count_words(expand_globs(options.files));
  const int64_t room = options.vocabulary_size - kFixedTokens;
  const std::vector<std::string> alphabet =
      alphabet_of(words, options.character_coverage, static_cast<size_t>(room));
  const std::vector<std::string> pieces = learn_pieces(
      words, alphabet, room - static_cast<int64_t>(alphabet.size()), options.longest_piece);
  const SentencePieceModel model = model_of(pieces, alphabet);
  const std::filesystem::path path(folder);
  std::filesystem::create_directories(path);
  write_file(path / "tokenizer.model", serialize(model));
  write_file(path / "tokenizer.json", json_of_sentencepiece(model, true, false).dump(1));
  write_file(path / "tokenizer_config.json", config_json().dump(1));
  return static_cast<int64_t>(model.pieces.size());
}

}  // namespace envs
