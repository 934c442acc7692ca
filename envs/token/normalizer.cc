#include "envs/token/normalizer.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

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
  if (type == "Prepend") return prepend(d.at("prepend"));
  if (type == "Replace") return replace(d.at("pattern"), d.at("content"));
  if (type == "Strip") return strip(d.at("strip_left"), d.at("strip_right"));
  throw std::invalid_argument("unsupported normalizer \"" + type + "\"");
}

}  // namespace envs
