#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace envs {

/// The ids with a role in generation, where a tokenizer names them.
struct SpecialIds {
  std::optional<int64_t> bos, eos, pad;
};

/// Turns text into ids and back. May be used from several threads at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// @param add_special whether to add what the tokenizer puts around a text, such as BOS.
  /// @throws std::invalid_argument "text: invalid UTF-8 at byte 17".
  virtual std::vector<int64_t> encode(std::string_view text, bool add_special) const = 0;

  /// Bytes that are no UTF-8 come out as U+FFFD. Blanks are never tidied up.
  ///
  /// @throws std::invalid_argument for an id outside the vocabulary.
  virtual std::string decode(std::span<const int64_t> ids, bool skip_special) const = 0;

  /// The largest id + 1, added tokens included: the rows a head needs. Heads may be padded beyond.
  virtual int64_t size() const = 0;

  /// The string of a token as the vocabulary spells it; "" for an id that was left out.
  ///
  /// @throws std::invalid_argument for an id outside the vocabulary.
  virtual std::string token(int64_t id) const = 0;

  /// The id of a token string, added tokens included.
  virtual std::optional<int64_t> id(std::string_view token) const = 0;

  std::optional<int64_t> bos_id() const { return special_.bos; }
  std::optional<int64_t> eos_id() const { return special_.eos; }
  std::optional<int64_t> pad_id() const { return special_.pad; }
  void set_special_ids(const SpecialIds& ids) { special_ = ids; }

 protected:
  /// @throws std::invalid_argument "id 600 is outside the vocabulary of 512 tokens".
  void expect_id(int64_t id) const;

 private:
  SpecialIds special_;
};

/// Reads a folder in the Hugging Face layout, or one of its tokenizer files: tokenizer.json, else
/// tokenizer.model (SentencePiece), else vocab.json and merges.txt (GPT-2). BOS, EOS and PAD come
/// from tokenizer_config.json, else special_tokens_map.json, else generation_config.json, else
/// config.json beside it, else from the model file; a null there means that there is none.
///
/// @throws std::invalid_argument naming the file and what is missing, wrong or not supported.
std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& folder_or_file);

/// Where two vocabularies differ, compared id by id as token strings; nothing where they are equal.
std::optional<std::string> vocabulary_difference(const Tokenizer& a, const Tokenizer& b);

}  // namespace envs
