#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace envs {

/// Position of the first byte that is not part of well-formed UTF-8, or nothing where all is well.
std::optional<size_t> invalid_utf8(std::string_view text);

/// @throws std::invalid_argument "NAME: invalid UTF-8 at byte 17" (counted from 0).
void expect_utf8(std::string_view text, std::string_view name);

/// The code point that starts at `position`, which moves behind it. The text is well-formed.
char32_t next_code_point(std::string_view text, size_t& position);

/// The code point that ends before `end` (> 0), which moves to its start. The text is well-formed.
char32_t previous_code_point(std::string_view text, size_t& end);

void append_code_point(std::string& text, char32_t code_point);

/// Replaces every maximal ill-formed part by U+FFFD, as Unicode recommends and Rust and Python do.
std::string repaired_utf8(std::string_view bytes);

/// White_Space of the Unicode character database.
bool is_space(char32_t c);

/// Letters, marks, decimal digits, connectors and joiners: `\w` of Unicode's technical standard 18.
bool is_word(char32_t c);

/// General category N.
bool is_number(char32_t c);

/// ASCII punctuation or general category P.
bool is_punctuation(char32_t c);

/// General category Mn.
bool is_nonspacing_mark(char32_t c);

/// Length of the blanks that `text` starts with, or ends with; in bytes.
size_t leading_space(std::string_view text);
size_t trailing_space(std::string_view text);

/// Replaces every occurrence of `from` (not empty) in place.
void replace_all(std::string& text, std::string_view from, std::string_view to);

}  // namespace envs
