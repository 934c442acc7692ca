#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace envs {

/// Rewrites token strings so that joined they are text; may be called from several threads at once.
using TokenDecoder = std::function<void(std::vector<std::string>&)>;

/// The `decoder` of a tokenizer.json: ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Strip and
/// sequences of these; null puts blanks between tokens. Bytes that are no text become U+FFFD. A
/// type of our own, `SentencePiece`, takes the blanks off the start as a SentencePiece model does
/// that removes extra blanks.
///
/// @throws std::invalid_argument naming a kind that is not offered.
TokenDecoder make_token_decoder(const nlohmann::json& description);

/// The value of a byte token such as "<0x0A>", or -1.
int byte_of_token(const std::string& token);

/// The byte token of a value: 10 is "<0x0A>".
std::string byte_token(int value);

}  // namespace envs
