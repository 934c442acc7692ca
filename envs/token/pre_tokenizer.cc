#include "envs/token/pre_tokenizer.h"

#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "envs/token/regex.h"
#include "envs/token/utf8.h"

namespace envs {
namespace {

using nlohmann::json;

constexpr const char* kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// --- GPT-2's bytes as characters ------------------------------------------------------------------

// Printable bytes of Latin-1 keep their code point, the others move to U+0100 and up, in order.
std::array<char32_t, 256> byte_characters() {
  std::array<char32_t, 256> table{};
  char32_t next = 0x100;
  for (char32_t b = 0; b < 256; ++b) {
    const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD);
    table[b] = printable ? b : next++;
  }
  return table;
}

const std::array<std::string, 256>& byte_spellings() {
  static const std::array<std::string, 256> spellings = [] {
    std::array<std::string, 256> result;
    const auto characters = byte_characters();
    for (size_t b = 0; b < 256; ++b) append_code_point(result[b], characters[b]);
    return result;
  }();
  return spellings;
}

// -1 where a character stands for no byte.
const std::array<int, 0x144>& character_bytes() {
  static const std::array<int, 0x144> bytes = [] {
    std::array<int, 0x144> result;
    result.fill(-1);
    const auto characters = byte_characters();
    for (size_t b = 0; b < 256; ++b) result[characters[b]] = static_cast<int>(b);
    return result;
  }();
  return bytes;
}

// --- cutting --------------------------------------------------------------------------------------

enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

Behavior behavior_named(const std::string& name) {
  if (name == "Removed") return Behavior::kRemoved;
  if (name == "Isolated") return Behavior::kIsolated;
  if (name == "MergedWithPrevious") return Behavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return Behavior::kMergedWithNext;
  if (name == "Contiguous") return Behavior::kContiguous;
  throw std::invalid_argument("unsupported split behavior \"" + name + "\"");
}

struct Range {
  size_t start, end;
  bool match;
};

using Finder = std::function<std::vector<Range>(std::string_view)>;

void add_range(std::vector<Range>& ranges, size_t start, size_t end, bool match) {
  if (start < end) ranges.push_back({start, end, match});
}

// Matches and what lies between them, in order; together they cover the text.
std::vector<Range> ranges_of(const Regex& pattern, std::string_view text) {
  std::vector<Range> ranges;
  size_t done = 0;
  for (size_t from = 0; from < text.size();) {
    const auto match = pattern.find(text, from);
    if (!match) break;
    from = match->end;
    if (match->start == match->end) {
      next_code_point(text, from);
      continue;
    }
    add_range(ranges, done, match->start, false);
    add_range(ranges, match->start, match->end, true);
    done = match->end;
  }
  add_range(ranges, done, text.size(), false);
  return ranges;
}

Finder finder(std::shared_ptr<const Regex> pattern) {
  return [pattern](std::string_view text) { return ranges_of(*pattern, text); };
}

// Every character with the property is a match of its own.
Finder finder(bool (*property)(char32_t)) {
  return [property](std::string_view text) {
    std::vector<Range> ranges;
    for (size_t i = 0; i < text.size();) {
      const size_t start = i;
      const bool match = property(next_code_point(text, i));
      if (!match && !ranges.empty() && !ranges.back().match) {
        ranges.back().end = i;
      } else {
        ranges.push_back({start, i, match});
      }
    }
    return ranges;
  };
}

// Joins neighbours: equal kinds (contiguous), a match to what precedes or follows it.
std::vector<Range> joined(const std::vector<Range>& ranges, Behavior behavior) {
  std::vector<Range> result;
  bool previous_match = false;
  for (const Range& range : ranges) {
    bool join = false;
    if (behavior == Behavior::kContiguous) join = range.match == previous_match;
    if (behavior == Behavior::kMergedWithPrevious) join = range.match && !previous_match;
    if (behavior == Behavior::kMergedWithNext) join = !range.match && previous_match;
    if (join && !result.empty()) {
      result.back().end = range.end;
    } else if (behavior != Behavior::kRemoved || !range.match) {
      result.push_back(range);
    }
    previous_match = range.match;
  }
  return result;
}

std::vector<Piece> cut(const std::vector<Piece>& pieces, const Finder& find, Behavior behavior,
                       bool invert) {
  std::vector<Piece> result;
  for (const Piece& piece : pieces) {
    std::vector<Range> ranges = find(piece.text);
    if (invert) {
      for (Range& range : ranges) range.match = !range.match;
    }
    for (const Range& range : joined(ranges, behavior)) {
      result.push_back({piece.text.substr(range.start, range.end - range.start),
                        piece.first && range.start == 0});
    }
  }
  return result;
}

PreTokenizer cutter(Finder find, Behavior behavior, bool invert) {
  return [find = std::move(find), behavior, invert](std::vector<Piece> pieces) {
    return cut(pieces, find, behavior, invert);
  };
}

// --- the kinds ------------------------------------------------------------------------------------

PreTokenizer byte_level(bool add_prefix_space, bool use_regex) {
  const Finder find = finder(std::make_shared<const Regex>(kGpt2Pattern));
  return [=](std::vector<Piece> pieces) {
    for (Piece& piece : pieces) {
      if (add_prefix_space && !piece.text.starts_with(' ')) piece.text.insert(0, 1, ' ');
    }
    if (use_regex) pieces = cut(pieces, find, Behavior::kIsolated, false);
    for (Piece& piece : pieces) piece.text = bytes_as_characters(piece.text);
    return pieces;
  };
}

PreTokenizer split(const json& d) {
  const json& pattern = d.at("pattern");
  const std::string regex = pattern.contains("String")
                                ? escaped(pattern.at("String").get<std::string>())
                                : pattern.at("Regex").get<std::string>();
  return cutter(finder(std::make_shared<const Regex>(regex)), behavior_named(d.at("behavior")),
                d.value("invert", false));
}

enum class Prefix { kNever, kFirst, kAlways };

Prefix prefix_named(const json& d) {
  if (!d.contains("prepend_scheme")) {  // the older spelling
    return d.value("add_prefix_space", true) ? Prefix::kAlways : Prefix::kNever;
  }
  const std::string name = d.at("prepend_scheme");
  if (name == "never") return Prefix::kNever;
  if (name == "first") return Prefix::kFirst;
  if (name == "always") return Prefix::kAlways;
  throw std::invalid_argument("unsupported prepend_scheme \"" + name + "\"");
}

PreTokenizer metaspace(const json& d) {
  const std::string mark = d.at("replacement");
  const Prefix prefix = prefix_named(d);
  const bool split_words = d.value("split", true);
  const Finder find = finder(std::make_shared<const Regex>(escaped(mark)));
  return [=](std::vector<Piece> pieces) {
    for (Piece& piece : pieces) {
      replace_all(piece.text, " ", mark);
      const bool wanted = prefix == Prefix::kAlways || (prefix == Prefix::kFirst && piece.first);
      if (wanted && !piece.text.starts_with(mark)) piece.text.insert(0, mark);
    }
    if (split_words) pieces = cut(pieces, find, Behavior::kMergedWithNext, false);
    return pieces;
  };
}

PreTokenizer sequence(const json& descriptions) {
  std::vector<PreTokenizer> parts;
  for (const json& part : descriptions) parts.push_back(make_pre_tokenizer(part));
  return [parts](std::vector<Piece> pieces) {
    for (const PreTokenizer& part : parts) pieces = part(std::move(pieces));
    return pieces;
  };
}

}  // namespace

PreTokenizer make_pre_tokenizer(const json& d) {
  if (d.is_null()) return [](std::vector<Piece> pieces) { return pieces; };
  const std::string type = d.at("type");
  if (type == "Sequence") return sequence(d.at("pretokenizers"));
  if (type == "ByteLevel") {
    return byte_level(d.value("add_prefix_space", true), d.value("use_regex", true));
  }
  if (type == "Digits") {
    const bool individual = d.value("individual_digits", false);
    return cutter(finder(&is_number), individual ? Behavior::kIsolated : Behavior::kContiguous,
                  false);
  }
  if (type == "Metaspace") return metaspace(d);
  if (type == "Punctuation") {
    return cutter(finder(&is_punctuation), behavior_named(d.value("behavior", "Isolated")), false);
  }
  if (type == "Split") return split(d);
  if (type == "WhitespaceSplit") return cutter(finder(&is_space), Behavior::kRemoved, false);
  throw std::invalid_argument("unsupported pre_tokenizer \"" + type + "\"");
}

std::string bytes_as_characters(std::string_view bytes) {
  const auto& spellings = byte_spellings();
  std::string text;
  text.reserve(bytes.size() + bytes.size() / 4);
  for (const char b : bytes) text += spellings[static_cast<unsigned char>(b)];
  return text;
}

std::string characters_as_bytes(std::string_view text) {
  const auto& table = character_bytes();
  std::string bytes;
  for (size_t i = 0; i < text.size();) {
    const char32_t c = next_code_point(text, i);
    const int byte = c < table.size() ? table[c] : -1;
    if (byte < 0) return std::string(text);
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

}  // namespace envs
