#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace envs {

/// A part of a text on its way to the model.
struct Piece {
  std::string text;
  bool first = false;  // starts where the whole text starts
};

/// Cuts pieces into smaller ones; may be called from several threads at once.
using PreTokenizer = std::function<std::vector<Piece>(std::vector<Piece>)>;

/// The `pre_tokenizer` of a tokenizer.json: ByteLevel, Digits, Metaspace, Punctuation, Split,
/// WhitespaceSplit and sequences of these; null cuts nothing.
///
/// @throws std::invalid_argument naming a kind that is not offered.
PreTokenizer make_pre_tokenizer(const nlohmann::json& description);

/// GPT-2's spelling of bytes as printable characters: a blank becomes U+0120.
std::string bytes_as_characters(std::string_view bytes);

/// The inverse; characters outside the spelling make the whole text stand for itself.
std::string characters_as_bytes(std::string_view text);

}  // namespace envs
