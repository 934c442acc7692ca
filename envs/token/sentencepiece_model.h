#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace envs {

/// A SentencePiece model file (a ModelProto), as far as encoding and decoding need it.
///
/// We read and write the format ourselves: Debian's libsentencepiece exports the symbols of a
/// protobuf of its own, and so cannot live in one process with LibTorch, which needs the system's.
///
/// Source: sentencepiece_model.proto of google/sentencepiece.
struct SentencePieceModel {
  enum Type : int {
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,
    kUserDefined = 4,
    kUnused = 5,
    kByte = 6
  };
  enum Kind { kUnigram = 1, kBpe = 2 };
  struct Piece {
    std::string text;
    float score = 0;
    Type type = kNormal;
  };

  std::vector<Piece> pieces;
  int64_t kind = kUnigram;
  bool byte_fallback = false;
  bool whitespace_is_suffix = false;
  int64_t unk_id = 0, bos_id = 1, eos_id = 2, pad_id = -1;
  std::string precompiled_charsmap;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;  // blanks are spelled U+2581
};

/// @throws std::invalid_argument where the bytes are no such model.
SentencePieceModel parse_sentencepiece(std::string_view bytes);

std::string serialize(const SentencePieceModel& model);

/// The tokenizer.json that does the same. Control pieces become added tokens, found where a text
/// spells them; the library never finds them there.
///
/// A BPE model that leaves blanks and characters alone is described in terms that the `tokenizers`
/// library knows. The others need terms of our own: the normalizer and decoder `SentencePiece`,
/// `user_defined_symbols` beside the added tokens of a BPE model, and in a Unigram model
/// `float_sums`, and scores that are null for pieces never found in a text.
///
/// @param add_bos, add_eos what is put around a text.
/// @throws std::invalid_argument naming what is not supported.
nlohmann::json json_of_sentencepiece(const SentencePieceModel& model, bool add_bos, bool add_eos);

}  // namespace envs
