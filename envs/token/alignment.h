#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "envs/token/examples.h"
#include "envs/token/tokenizer.h"

namespace envs {

/// Tokens of two sequences that stand for the same bytes: [first, first + count) of either.
struct TokenGroup {
  int64_t first_a, count_a, first_b, count_b;
};

/// Where two cuts of one text agree, from the bytes at which their tokens end; tokens before the first
/// place where both begin, and after the last common end, belong to no group.
///
/// Source: the span alignment of General Online Logit Distillation (Patiño et al. 2025, TRL's GOLD):
/// advance the side whose token ends earlier, close a group where ends coincide.
///
/// @param begin_a, begin_b byte at which the first token begins.
std::vector<TokenGroup> align(int64_t begin_a, std::span<const int64_t> ends_a, int64_t begin_b,
                              std::span<const int64_t> ends_b);

/// The byte at which each token of a sequence ends in the text of all of them. A token that ends within a
/// character ends where that character begins. Special tokens take no bytes.
std::vector<int64_t> token_ends(const Tokenizer& tokenizer, std::span<const int64_t> ids);

/// What each token adds to a text: one string per id. A token that is no text of its own (special, or part
/// of a character) is spelled as the vocabulary does, after a byte 0.
std::vector<std::string> spellings(const Tokenizer& tokenizer);

/// For every id of `a` the id of `b` that is spelled alike, or -1; EOS goes with EOS.
std::vector<int64_t> matched_ids(const Tokenizer& a, const Tokenizer& b);

/// An example in the tokens of another tokenizer.
struct Retokenized {
  Example example;                 // its response may be empty
  std::vector<TokenGroup> groups;  // a: of the response given; b: of the one here
  double one_to_one = 0;           // share of the response's bytes in groups of one token each
};

/// Reads prompt and response as text and cuts that anew. EOS goes with EOS.
///
/// @param context the longest sequence; a prompt loses its beginning, a response its end.
Retokenized retokenize(const Example& example, const Tokenizer& from, const Tokenizer& to,
                       int64_t context);

}  // namespace envs
