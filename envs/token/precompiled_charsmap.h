#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace envs {

/// The replacements a SentencePiece model makes in a text before it is cut (`nmt_nfkc` and others).
///
/// The bytes are the length of a double-array trie as uint32, the trie, and the replacements, each
/// ended by a zero byte; the trie leads from the bytes of a string to the start of its replacement.
/// May be used from several threads at once.
///
/// Source: Normalizer::DecodePrecompiledCharsMap of google/sentencepiece; the units of the trie as
/// in s-yata/darts-clone.
class PrecompiledCharsmap {
 public:
  /// @throws std::invalid_argument for bytes that are cut off or lead outside themselves.
  explicit PrecompiledCharsmap(std::string_view bytes);

  struct Match {
    size_t length = 0;  // of what is replaced, in bytes; 0 where nothing is
    std::string_view replacement;
  };

  /// The shortest, or longest, string with a replacement that the text starts with.
  Match shortest(std::string_view text) const { return find(text, true); }
  Match longest(std::string_view text) const { return find(text, false); }

 private:
  bool leads_to_replacement(uint32_t leaf) const;
  bool leads_to_units(uint32_t index) const;
  Match find(std::string_view text, bool first) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

/// @throws std::invalid_argument for text that is not base64 (RFC 4648, padded).
std::string bytes_of_base64(std::string_view text);

}  // namespace envs
