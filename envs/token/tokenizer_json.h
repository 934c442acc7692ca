#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "envs/token/tokenizer.h"

namespace envs {

/// A tokenizer as a tokenizer.json describes it: normalizer, pre-tokenizer, BPE or Unigram model,
/// post-processor, decoder and added tokens, each as the `tokenizers` library understands them, or
/// as json_of_sentencepiece writes them.
/// `truncation` and `padding` are the caller's business and ignored.
///
/// @throws std::invalid_argument or nlohmann::json::exception for what is missing or not supported.
std::unique_ptr<Tokenizer> tokenizer_from_json(const nlohmann::json& description);

/// The tokenizer.json of GPT-2's two files.
///
/// @param vocabulary token strings and ids.
/// @param merges lines "a b", with or without a version line first.
/// @param special token strings that become special tokens.
/// @param bos put before every text unless empty.
nlohmann::json json_of_gpt2_files(const nlohmann::json& vocabulary, const std::string& merges,
                                  const std::vector<std::string>& special, const std::string& bos);

}  // namespace envs
