#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace envs {

/// Rewrites well-formed UTF-8 before it is cut; may be called from several threads at once.
using Normalizer = std::function<void(std::string&)>;

/// The `normalizer` of a tokenizer.json: NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace, Strip,
/// StripAccents and sequences of these; null changes nothing.
///
/// @throws std::invalid_argument naming a kind that is not offered.
Normalizer make_normalizer(const nlohmann::json& description);

}  // namespace envs
