#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace envs {

/// Rewrites well-formed UTF-8 before it is cut; may be called from several threads at once.
using Normalizer = std::function<void(std::string&)>;

/// The `normalizer` of a tokenizer.json: NFC, NFD, NFKC, NFKD, Lowercase, Precompiled, Prepend,
/// Replace, Strip, StripAccents and sequences of these; null changes nothing.
///
/// `Precompiled` follows the `tokenizers` library: it looks for the shortest string of a charsmap
/// at the start of each grapheme cluster and drops the rest of the cluster. A type of our own,
/// `SentencePiece`, follows SentencePiece: it replaces the longest string wherever one stands,
/// leaves user-defined symbols alone, and treats blanks as the options of the model say.
///
/// @throws std::invalid_argument naming a kind that is not offered, or for a corrupt charsmap.
Normalizer make_normalizer(const nlohmann::json& description);

}  // namespace envs
