#include "envs/token/token_decoder.h"

#include <cctype>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "envs/token/pre_tokenizer.h"
#include "envs/token/utf8.h"

namespace envs {
namespace {

using nlohmann::json;

void fuse(std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += token;
  tokens.assign(1, std::move(text));
}

void byte_level(std::vector<std::string>& tokens) {
  for (std::string& token : tokens) token = characters_as_bytes(token);
  fuse(tokens);
  tokens[0] = repaired_utf8(tokens[0]);
}

// A run of bytes becomes text as a whole; if it is none, U+FFFD for every byte.
std::string text_of_run(const std::string& bytes) {
  if (!invalid_utf8(bytes)) return bytes;
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) text += "\uFFFD";
  return text;
}

void byte_fallback(std::vector<std::string>& tokens) {
  std::vector<std::string> result;
  std::string run;
  for (std::string& token : tokens) {
    const int byte = byte_of_token(token);
    if (byte >= 0) {
      run += static_cast<char>(byte);
      continue;
    }
    if (!run.empty()) result.push_back(text_of_run(std::exchange(run, {})));
    result.push_back(std::move(token));
  }
  if (!run.empty()) result.push_back(text_of_run(run));
  tokens = std::move(result);
}

TokenDecoder replace(const json& d) {
  const json& pattern = d.at("pattern");
  if (!pattern.contains("String")) {
    throw std::invalid_argument("unsupported decoder \"Replace\" with a regular expression");
  }
  return [from = pattern.at("String").get<std::string>(),
          to = d.at("content").get<std::string>()](std::vector<std::string>& tokens) {
    if (from.empty()) return;
    for (std::string& token : tokens) replace_all(token, from, to);
  };
}

// Takes at most `start` characters from the left of every token and `stop` from its right.
TokenDecoder strip(const std::string& content, int start, int stop) {
  return [=](std::vector<std::string>& tokens) {
    for (std::string& token : tokens) {
      for (int i = 0; i < start && token.starts_with(content); ++i) token.erase(0, content.size());
      for (int i = 0; i < stop && token.ends_with(content); ++i) {
        token.erase(token.size() - content.size());
      }
    }
  };
}

// The first token's marks stand for the blank that was put before the text.
TokenDecoder metaspace(const json& d) {
  const bool prefixed = d.contains("prepend_scheme") ? d.at("prepend_scheme") != "never"
                                                     : d.value("add_prefix_space", true);
  return
      [mark = d.at("replacement").get<std::string>(), prefixed](std::vector<std::string>& tokens) {
        for (size_t i = 0; i < tokens.size(); ++i) {
          replace_all(tokens[i], mark, prefixed && i == 0 ? "" : " ");
        }
      };
}

// The blanks before a text, of which SentencePiece takes one off every token until there is text.
void strip_leading_marks(std::vector<std::string>& tokens) {
  const std::string_view mark = "\u2581";
  for (std::string& token : tokens) {
    if (token.starts_with(mark)) token.erase(0, mark.size());
    if (!token.empty()) return;
  }
}

TokenDecoder sequence(const json& descriptions) {
  std::vector<TokenDecoder> parts;
  for (const json& part : descriptions) parts.push_back(make_token_decoder(part));
  return [parts](std::vector<std::string>& tokens) {
    for (const TokenDecoder& part : parts) part(tokens);
  };
}

void separate(std::vector<std::string>& tokens) {
  for (size_t i = 1; i < tokens.size(); ++i) tokens[i].insert(0, 1, ' ');
}

}  // namespace

TokenDecoder make_token_decoder(const json& d) {
  if (d.is_null()) return separate;
  const std::string type = d.at("type");
  if (type == "Sequence") return sequence(d.at("decoders"));
  if (type == "ByteFallback") return byte_fallback;
  if (type == "ByteLevel") return byte_level;
  if (type == "Fuse") return fuse;
  if (type == "Metaspace") return metaspace(d);
  if (type == "Replace") return replace(d);
  if (type == "SentencePiece") return strip_leading_marks;
  if (type == "Strip") return strip(d.at("content"), d.at("start"), d.at("stop"));
  throw std::invalid_argument("unsupported decoder \"" + type + "\"");
}

int byte_of_token(const std::string& token) {
  const auto digit = [&token](size_t i) {
    return std::isxdigit(static_cast<unsigned char>(token[i])) != 0;
  };
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
  if (!digit(3) || !digit(4)) return -1;
  return std::stoi(token.substr(3, 2), nullptr, 16);
}

std::string byte_token(int value) {
  constexpr const char* kDigits = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[value >> 4] + kDigits[value & 15] + ">";
}

}  // namespace envs
