#include "distill/rouge.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "distill/porter_stemmer.h"

namespace distill {
namespace {

constexpr size_t kShortestStemmed = 4;  // characters

// The only characters outside ASCII whose lower case holds a letter of a-z.
constexpr std::string_view kDottedCapitalI = "\xC4\xB0";  // U+0130: i, combining dot above
constexpr std::string_view kKelvinSign = "\xE2\x84\xAA";  // U+212A: k

// A text in which every character that is no letter or digit of a token is a blank.
std::string blanked(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c >= 'A' && c <= 'Z') {
      result += static_cast<char>(c - 'A' + 'a');
    } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      result += c;
    } else if (text.substr(i).starts_with(kKelvinSign)) {
      result += 'k';
      i += kKelvinSign.size() - 1;
    } else if (text.substr(i).starts_with(kDottedCapitalI)) {
      result += "i ";
      i += kDottedCapitalI.size() - 1;
    } else {
      result += ' ';
    }
  }
  return result;
}

size_t longest_common_subsequence(const std::vector<std::string>& a,
                                  const std::vector<std::string>& b) {
  std::vector<size_t> length(b.size() + 1);  // of the part of `a` seen so far, with b[0, j)
  for (const std::string& token : a) {
    size_t diagonal = 0;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t above = length[j + 1];
      length[j + 1] = token == b[j] ? diagonal + 1 : std::max(above, length[j]);
      diagonal = above;
    }
  }
  return length.back();
}

RougeScore score(const std::vector<std::string>& prediction,
                 const std::vector<std::string>& reference) {
  const size_t common = longest_common_subsequence(prediction, reference);
  if (common == 0) return {};
  const double precision = static_cast<double>(common) / static_cast<double>(prediction.size());
  const double recall = static_cast<double>(common) / static_cast<double>(reference.size());
  return {.precision = precision,
          .recall = recall,
          .fmeasure = 2 * precision * recall / (precision + recall)};
}

}  // namespace

std::vector<std::string> rouge_tokens(std::string_view text, WordForm form) {
  const std::string words = blanked(text);
  std::vector<std::string> tokens;
  for (size_t begin = words.find_first_not_of(' '); begin != std::string::npos;) {
    const size_t end = std::min(words.find(' ', begin), words.size());
    std::string token = words.substr(begin, end - begin);
    if (form == WordForm::kStem && token.size() >= kShortestStemmed) token = porter_stem(token);
    tokens.push_back(std::move(token));
    begin = words.find_first_not_of(' ', end);
  }
  return tokens;
}

RougeScore rouge_l(std::string_view prediction, std::string_view reference, WordForm form) {
  return score(rouge_tokens(prediction, form), rouge_tokens(reference, form));
}

RougeScore rouge_l(std::string_view prediction, std::span<const std::string> references,
                   WordForm form) {
  if (references.empty()) throw std::invalid_argument("rouge_l needs a reference, found none");
  const std::vector<std::string> tokens = rouge_tokens(prediction, form);
  RougeScore best;
  for (const std::string& reference : references) {
    const RougeScore found = score(tokens, rouge_tokens(reference, form));
    if (found.fmeasure > best.fmeasure) best = found;
  }
  return best;
}

}  // namespace distill
