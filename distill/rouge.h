#pragma once

/// ROUGE-L: how much of a reference's word order a text reproduces.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace distill {

/// All three are 0 when a side has no token or nothing is in common.
struct RougeScore {
  double precision = 0;  // common tokens / tokens of the prediction
  double recall = 0;     // common tokens / tokens of the reference
  double fmeasure = 0;   // their harmonic mean
};

/// How words are compared: as they stand, or after stemming those of more than three characters.
enum class WordForm { kPlain, kStem };

/// The tokens that ROUGE compares: maximal runs of a-z and 0-9 of the text in lower case (Unicode's
/// rules). Bytes that are no UTF-8 separate tokens like any other character.
std::vector<std::string> rouge_tokens(std::string_view text, WordForm form);

/// The score from the longest common subsequence of the two texts' tokens.
///
/// Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 3.1, beta = 1.
RougeScore rouge_l(std::string_view prediction, std::string_view reference, WordForm form);

/// The score against the best of several references: largest F, the first of equals.
///
/// @throws std::invalid_argument without a reference.
RougeScore rouge_l(std::string_view prediction, std::span<const std::string> references,
                   WordForm form);

}  // namespace distill
