#include "distill/porter_stemmer.h"

#include <array>
#include <span>
#include <utility>

namespace distill {
namespace {

using Condition = bool (*)(std::string_view stem);

// `ending` becomes `replacement` if what stands before it satisfies `holds`.
struct Rule {
  std::string_view ending;
  std::string_view replacement;
  Condition holds;
};

bool is_consonant(std::string_view word, size_t i) {
  if (std::string_view("aeiou").find(word[i]) != std::string_view::npos) return false;
  if (word[i] == 'y') return i == 0 || !is_consonant(word, i - 1);
  return true;
}

bool ends_in_consonant(std::string_view word) {
  return !word.empty() && is_consonant(word, word.size() - 1);
}

// The number of times that a consonant follows a vowel: Porter's m.
int measure(std::string_view stem) {
  int count = 0;
  for (size_t i = 1; i < stem.size(); ++i) {
    if (is_consonant(stem, i) && !is_consonant(stem, i - 1)) ++count;
  }
  return count;
}

bool measure_above_0(std::string_view stem) { return measure(stem) > 0; }
bool measure_above_1(std::string_view stem) { return measure(stem) > 1; }

bool has_vowel(std::string_view stem) {
  for (size_t i = 0; i < stem.size(); ++i) {
    if (!is_consonant(stem, i)) return true;
  }
  return false;
}

bool ends_in_double_consonant(std::string_view word) {
  return word.size() >= 2 && word.back() == word[word.size() - 2] && ends_in_consonant(word);
}

// Porter's *o: consonant, vowel, consonant other than w, x, y; also vowel, consonant alone.
bool ends_short(std::string_view word) {
  const size_t size = word.size();
  if (size < 2 || !is_consonant(word, size - 1) || is_consonant(word, size - 2)) return false;
  if (size == 2) return true;
  return is_consonant(word, size - 3) &&
         std::string_view("wxy").find(word.back()) == std::string_view::npos;
}

std::string join(std::string_view stem, std::string_view ending) {
  return std::string(stem).append(ending);
}

std::string_view without(std::string_view word, std::string_view ending) {
  return word.substr(0, word.size() - ending.size());
}

// Applies the first rule whose ending the word has, if its condition holds.
std::string replace_ending(std::span<const Rule> rules, const std::string& word) {
  for (const Rule& rule : rules) {
    if (!word.ends_with(rule.ending)) continue;
    const std::string_view stem = without(word, rule.ending);
    return rule.holds == nullptr || rule.holds(stem) ? join(stem, rule.replacement) : word;
  }
  return word;
}

std::string step_1a(const std::string& word) {
  static constexpr std::array<Rule, 4> kRules = {
      {{"sses", "ss", nullptr}, {"ies", "i", nullptr}, {"ss", "ss", nullptr}, {"s", "", nullptr}}};
  if (word.size() == 4 && word.ends_with("ies")) return join(without(word, "ies"), "ie");
  return replace_ending(kRules, word);
}

// What is left after -ed or -ing is made a word again: hop(p)ing -> hop, fil(e)ing -> file.
std::string mend(std::string_view stem) {
  for (const std::string_view ending : {"at", "bl", "iz"}) {
    if (stem.ends_with(ending)) return join(stem, "e");
  }
  if (ends_in_double_consonant(stem)) {
    const bool keeps = std::string_view("lsz").find(stem.back()) != std::string_view::npos;
    return std::string(keeps ? stem : stem.substr(0, stem.size() - 1));
  }
  return measure(stem) == 1 && ends_short(stem) ? join(stem, "e") : std::string(stem);
}

std::string step_1b(const std::string& word) {
  if (word.ends_with("ied")) return join(without(word, "ied"), word.size() == 4 ? "ie" : "i");
  if (word.ends_with("eed")) {
    const std::string_view stem = without(word, "eed");
    return measure(stem) > 0 ? join(stem, "ee") : word;
  }
  for (const std::string_view ending : {"ed", "ing"}) {
    if (!word.ends_with(ending)) continue;
    if (const std::string_view stem = without(word, ending); has_vowel(stem)) return mend(stem);
  }
  return word;
}

std::string step_1c(const std::string& word) {
  static constexpr std::array<Rule, 1> kRules = {{{"y", "i", [](std::string_view stem) {
                                                     return stem.size() > 1 &&
                                                            ends_in_consonant(stem);
                                                   }}}};
  return replace_ending(kRules, word);
}

std::string step_2(const std::string& word) {
  static constexpr std::array<Rule, 21> kRules = {{
      {"ational", "ate", measure_above_0}, {"tional", "tion", measure_above_0},
      {"enci", "ence", measure_above_0},   {"anci", "ance", measure_above_0},
      {"izer", "ize", measure_above_0},    {"bli", "ble", measure_above_0},
      {"alli", "al", measure_above_0},     {"entli", "ent", measure_above_0},
      {"eli", "e", measure_above_0},       {"ousli", "ous", measure_above_0},
      {"ization", "ize", measure_above_0}, {"ation", "ate", measure_above_0},
      {"ator", "ate", measure_above_0},    {"alism", "al", measure_above_0},
      {"iveness", "ive", measure_above_0}, {"fulness", "ful", measure_above_0},
      {"ousness", "ous", measure_above_0}, {"aliti", "al", measure_above_0},
      {"iviti", "ive", measure_above_0},   {"biliti", "ble", measure_above_0},
      {"fulli", "ful", measure_above_0},
  }};
  if (word.ends_with("alli") && measure(without(word, "alli")) > 0) {
    return step_2(join(without(word, "alli"), "al"));
  }
  // Here the l belongs to the stem that is measured.
  if (word.ends_with("logi") && measure(without(word, "ogi")) > 0) {
    return std::string(without(word, "i"));
  }
  return replace_ending(kRules, word);
}

std::string step_3(const std::string& word) {
  static constexpr std::array<Rule, 7> kRules = {{{"icate", "ic", measure_above_0},
                                                  {"ative", "", measure_above_0},
                                                  {"alize", "al", measure_above_0},
                                                  {"iciti", "ic", measure_above_0},
                                                  {"ical", "ic", measure_above_0},
                                                  {"ful", "", measure_above_0},
                                                  {"ness", "", measure_above_0}}};
  return replace_ending(kRules, word);
}

bool may_lose_ion(std::string_view stem) {
  return measure(stem) > 1 && (stem.back() == 's' || stem.back() == 't');
}

std::string step_4(const std::string& word) {
  static constexpr std::array<Rule, 19> kRules = {{
      {"al", "", measure_above_1},   {"ance", "", measure_above_1}, {"ence", "", measure_above_1},
      {"er", "", measure_above_1},   {"ic", "", measure_above_1},   {"able", "", measure_above_1},
      {"ible", "", measure_above_1}, {"ant", "", measure_above_1},  {"ement", "", measure_above_1},
      {"ment", "", measure_above_1}, {"ent", "", measure_above_1},  {"ion", "", may_lose_ion},
      {"ou", "", measure_above_1},   {"ism", "", measure_above_1},  {"ate", "", measure_above_1},
      {"iti", "", measure_above_1},  {"ous", "", measure_above_1},  {"ive", "", measure_above_1},
      {"ize", "", measure_above_1},
  }};
  return replace_ending(kRules, word);
}

std::string step_5(std::string word) {
  if (word.ends_with("e")) {
    const std::string_view stem = without(word, "e");
    const int m = measure(stem);
    if (m > 1 || (m == 1 && !ends_short(stem))) word.pop_back();
  }
  if (word.ends_with("ll") && measure(without(word, "l")) > 1) word.pop_back();
  return word;
}

}  // namespace

std::string porter_stem(std::string_view word) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 16> kIrregular = {{
      {"sky", "sky"},
      {"skies", "sky"},
      {"dying", "die"},
      {"lying", "lie"},
      {"tying", "tie"},
      {"news", "news"},
      {"inning", "inning"},
      {"innings", "inning"},
      {"outing", "outing"},
      {"outings", "outing"},
      {"canning", "canning"},
      {"cannings", "canning"},
      {"howe", "howe"},
      {"proceed", "proceed"},
      {"exceed", "exceed"},
      {"succeed", "succeed"},
  }};
  for (const auto& [irregular, stem] : kIrregular) {
    if (word == irregular) return std::string(stem);
  }
  if (word.size() <= 2) return std::string(word);
  return step_5(step_4(step_3(step_2(step_1c(step_1b(step_1a(std::string(word))))))));
}

}  // namespace distill
