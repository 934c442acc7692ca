#pragma once

/// Porter's stemming of English words, as ROUGE's reference implementation applies it.

#include <string>
#include <string_view>

namespace distill {

/// The stem of a word in lower case; words of one or two letters stay as they are.
///
/// Source: Porter 1980, "An algorithm for suffix stripping", with the extensions of NLTK: a table
/// of irregular words, -ies and -ied in words of four letters, -alli, -bli, -fulli and -logi.
std::string porter_stem(std::string_view word);

}  // namespace distill
