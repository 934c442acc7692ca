#include "envs/token/normalizer.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <vector>

#include "envs/token/added_tokens.h"
#include "envs/token/precompiled_charsmap.h"
#include "envs/token/regex.h"
#include "envs/token/utf8.h"

namespace envs {
namespace {

using nlohmann::json;

bool is_ascii(const std::string& text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

// One of Unicode's four normalisation forms; all of them leave ASCII alone.
Normalizer unicode_form(int options) {
  return [options](std::string& text) {
    if (is_ascii(text)) return;
    utf8proc_uint8_t* result = nullptr;
    const auto length = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                     static_cast<utf8proc_ssize_t>(text.size()), &result,
                                     static_cast<utf8proc_option_t>(options | UTF8PROC_STABLE));
    if (length < 0) throw std::runtime_error(utf8proc_errmsg(length));
    const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(result, &std::free);
    text.assign(reinterpret_cast<const char*>(result), static_cast<size_t>(length));
  };
}

void lower_case(std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    const char32_t c = next_code_point(text, i);
    if (c == 0x130) {
      result += "i\u0307";  // the only letter whose small form takes two code points
    } else {
      append_code_point(result,
                        static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
    }
  }
  text = std::move(result);
}

void strip_accents(std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size();) {
    const char32_t c = next_code_point(text, i);
    if (!is_nonspacing_mark(c)) append_code_point(result, c);
  }
  text = std::move(result);
}

Normalizer prepend(const std::string& prefix) {
  return [prefix](std::string& text) {
    if (!text.empty()) text.insert(0, prefix);
  };
}

Normalizer strip(bool left, bool right) {
  return [left, right](std::string& text) {
    if (right) text.erase(text.size() - trailing_space(text));
    if (left) text.erase(0, leading_space(text));
  };
}

void replace_matches(std::string& text, const Regex& pattern, const std::string& content) {
  std::string result;
  size_t done = 0;
  for (size_t from = 0; from <= text.size();) {
    const auto match = pattern.find(text, from);
    if (!match) break;
    from = match->end;
    if (match->start == match->end) {  // nothing to replace: look further
      if (from == text.size()) break;
      next_code_point(text, from);
      continue;
    }
    result.append(text, done, match->start - done).append(content);
    done = match->end;
  }
  text = std::move(result.append(text, done));
}

Normalizer replace(const json& pattern, const std::string& content) {
  if (pattern.contains("String")) {
    return [from = pattern.at("String").get<std::string>(), content](std::string& text) {
      if (!from.empty()) replace_all(text, from, content);
    };
  }
  const auto regex = std::make_shared<const Regex>(pattern.at("Regex").get<std::string>());
  return [regex, content](std::string& text) { replace_matches(text, *regex, content); };
}

// The end of the grapheme cluster that starts at `start`.
size_t cluster_end(std::string_view text, size_t start) {
  size_t end = start;
  char32_t left = next_code_point(text, end);
  utf8proc_int32_t state = 0;
  for (size_t next = end; end < text.size(); end = next) {
    const char32_t right = next_code_point(text, next);
    if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(left),
                                         static_cast<utf8proc_int32_t>(right), &state)) {
      break;
    }
    left = right;
  }
  return end;
}

void append_by_character(std::string& result, std::string_view text,
                         const PrecompiledCharsmap& charsmap) {
  for (size_t start = 0, end = 0; start < text.size(); start = end) {
    next_code_point(text, end);
    const std::string_view character = text.substr(start, end - start);
    const auto match = charsmap.shortest(character);
    result += match.length > 0 ? match.replacement : character;
  }
}

Normalizer precompiled(const json& d) {
  constexpr size_t kLongestCluster = 5;  // bytes; longer ones are replaced by character
  const auto charsmap = std::make_shared<const PrecompiledCharsmap>(
      bytes_of_base64(d.at("precompiled_charsmap").get_ref<const std::string&>()));
  return [charsmap](std::string& text) {
    std::string result;
    for (size_t start = 0, end = 0; start < text.size(); start = end) {
      end = cluster_end(text, start);
      const std::string_view cluster = std::string_view(text).substr(start, end - start);
      PrecompiledCharsmap::Match match;
      if (cluster.size() <= kLongestCluster) match = charsmap->shortest(cluster);
      if (match.length > 0) {
        result += match.replacement;
      } else {
        append_by_character(result, cluster, *charsmap);
      }
    }
    text = std::move(result);
  };
}

class SentencePieceNormalizer {
 public:
  explicit SentencePieceNormalizer(const json& d)
      : add_dummy_prefix_(d.at("add_dummy_prefix")),
        remove_extra_whitespaces_(d.at("remove_extra_whitespaces")),
        blank_(d.at("escape_whitespaces") ? "\u2581" : " ") {
    for (const json& text : d.at("user_defined_symbols")) user_defined_.add({.content = text});
    if (const json& charsmap = d.at("precompiled_charsmap"); charsmap.is_binary()) {
      const auto& bytes = charsmap.get_binary();
      charsmap_.emplace(std::string(bytes.begin(), bytes.end()));
    }
  }

  std::string normalized(std::string_view text) const {
    std::string result;
    if (!text.empty() && add_dummy_prefix_) result = blank_;
    bool after_blank = true;
    while (!text.empty()) {
      auto [length, part] = replacement(text);
      text.remove_prefix(length);
      while (remove_extra_whitespaces_ && after_blank && part.starts_with(' ')) {
        part.remove_prefix(1);
      }
      if (part.empty()) continue;
      after_blank = part.ends_with(' ');
      for (const char c : part) c == ' ' ? result += blank_ : result += c;
    }
    while (remove_extra_whitespaces_ && result.ends_with(blank_)) {
      result.erase(result.size() - blank_.size());
    }
    return result;
  }

 private:
  // What the text starts with, and what comes in its place.
  PrecompiledCharsmap::Match replacement(std::string_view text) const {
    if (const size_t length = user_defined_.longest_length(text); length > 0) {
      return {length, text.substr(0, length)};
    }
    PrecompiledCharsmap::Match match;
    if (charsmap_) match = charsmap_->longest(text);
    if (match.length > 0) return match;
    size_t end = 0;
    next_code_point(text, end);
    return {end, text.substr(0, end)};
  }

  bool add_dummy_prefix_, remove_extra_whitespaces_;
  std::string blank_;  // how a blank is spelt
  AddedTokenMatcher user_defined_;
  std::optional<PrecompiledCharsmap> charsmap_;
};

// Source: Normalizer::Normalize of google/sentencepiece.
Normalizer sentencepiece(const json& d) {
  const auto normalizer = std::make_shared<const SentencePieceNormalizer>(d);
  return [normalizer](std::string& text) { text = normalizer->normalized(text); };
}

Normalizer sequence(const json& descriptions) {
  std::vector<Normalizer> parts;
  for (const json& part : descriptions) parts.push_back(make_normalizer(part));
  return [parts](std::string& text) {
    for (const Normalizer& part : parts) part(text);
  };
}

}  // namespace

Normalizer make_normalizer(const json& d) {
  if (d.is_null()) return [](std::string&) {};
  const std::string type = d.at("type");
  if (type == "Sequence") return sequence(d.at("normalizers"));
  if (type == "NFC") return unicode_form(UTF8PROC_COMPOSE);
  if (type == "NFD") return unicode_form(UTF8PROC_DECOMPOSE);
  if (type == "NFKC") return unicode_form(UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
  if (type == "NFKD") return unicode_form(UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
  if (type == "Lowercase") return lower_case;
  if (type == "StripAccents") return strip_accents;
  if (type == "Precompiled") return precompiled(d);
  if (type == "Prepend") return prepend(d.at("prepend"));
  if (type == "Replace") return replace(d.at("pattern"), d.at("content"));
  if (type == "SentencePiece") return sentencepiece(d);
  if (type == "Strip") return strip(d.at("strip_left"), d.at("strip_right"));
  throw std::invalid_argument("unsupported normalizer \"" + type + "\"");
}

}  // namespace envs
