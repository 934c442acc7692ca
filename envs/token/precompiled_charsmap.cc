#include "envs/token/precompiled_charsmap.h"

#include <algorithm>
#include <stdexcept>

#include "envs/token/utf8.h"

namespace envs {
namespace {

constexpr uint32_t kLeaf = 1U << 31;
constexpr uint32_t kBlock = 256;  // the children of a unit are in one block

[[noreturn]] void refuse(const std::string& why) {
  throw std::invalid_argument("corrupt precompiled_charsmap: " + why);
}

uint32_t uint32_at(std::string_view bytes, size_t position) {
  uint32_t value = 0;
  for (size_t i = 4; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[position + i]);
  }
  return value;
}

// What a unit says; a leaf holds a value and no more.
bool is_leaf(uint32_t unit) { return (unit & kLeaf) != 0; }
uint32_t value(uint32_t unit) { return unit & ~kLeaf; }
uint32_t label(uint32_t unit) { return unit & (kLeaf | 0xFF); }
bool ends_a_string(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t offset(uint32_t unit) { return (unit >> 10) << ((unit & 1U << 9) >> 6); }

bool inside_a_character(std::string_view text, size_t position) {
  return position < text.size() && (static_cast<unsigned char>(text[position]) & 0xC0) == 0x80;
}

}  // namespace

PrecompiledCharsmap::PrecompiledCharsmap(std::string_view bytes) {
  if (bytes.size() < 4) refuse("no length");
  const uint32_t length = uint32_at(bytes, 0);
  bytes.remove_prefix(4);
  if (length % (4 * kBlock) != 0 || length == 0 || length > bytes.size()) {
    refuse("a trie of " + std::to_string(length) + " bytes in " + std::to_string(bytes.size()));
  }
  for (size_t i = 0; i < length; i += 4) units_.push_back(uint32_at(bytes, i));
  replacements_ = bytes.substr(length);
  expect_utf8(replacements_, "corrupt precompiled_charsmap");
  if (is_leaf(units_[0])) refuse("a trie without a root");
  // What is checked here is not checked again when a text is read.
  for (uint32_t i = 0; i < units_.size(); ++i) {
    const uint32_t unit = units_[i];
    if (!(is_leaf(unit) ? leads_to_replacement(unit) : leads_to_units(i))) {
      refuse("unit " + std::to_string(i) + " leads nowhere");
    }
  }
}

bool PrecompiledCharsmap::leads_to_replacement(uint32_t leaf) const {
  return value(leaf) < replacements_.size() && !inside_a_character(replacements_, value(leaf));
}

bool PrecompiledCharsmap::leads_to_units(uint32_t index) const {
  const uint32_t children = index ^ offset(units_[index]);
  if (children >= units_.size()) return false;
  return !ends_a_string(units_[index]) || is_leaf(units_[children]);
}

PrecompiledCharsmap::Match PrecompiledCharsmap::find(std::string_view text, bool first) const {
  Match match;
  uint32_t node = offset(units_[0]);
  for (size_t i = 0; i < text.size() && text[i] != 0; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    const uint32_t unit = units_[node];
    if (label(unit) != byte) break;
    node ^= offset(unit);
    if (!ends_a_string(unit) || inside_a_character(text, i + 1)) continue;
    const uint32_t start = value(units_[node]);
    match = {i + 1, std::string_view(replacements_.c_str() + start)};
    if (first) break;
  }
  return match;
}

std::string bytes_of_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const size_t end = std::min(text.find('='), text.size());
  const std::string_view padding = text.substr(end);
  bool valid = text.size() % 4 == 0 && (padding.empty() || padding == "=" || padding == "==");
  std::string bytes;
  uint32_t bits = 0;
  for (size_t i = 0; i < end; ++i) {
    const size_t digit = kDigits.find(text[i]);
    valid &= digit != std::string_view::npos;
    bits = bits << 6 | static_cast<uint32_t>(digit & 0x3F);
    const size_t unused = (i * 6 + 6) % 8;  // bits of the last digit that open the next byte
    if (i % 4 != 0) bytes += static_cast<char>(bits >> unused);
  }
  if (!valid) throw std::invalid_argument("not base64");
  return bytes;
}

}  // namespace envs
