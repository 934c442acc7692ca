#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace envs {

/// A Unicode-aware regular expression: PCRE2 with UTF, UCP and JIT, where `\s` and `\S` mean
/// Unicode's White_Space, as they do for those who write tokenizer.json files.
///
/// May be used from several threads at once.
class Regex {
 public:
  /// @throws std::invalid_argument with the pattern and what is wrong with it.
  explicit Regex(const std::string& pattern);
  ~Regex();
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;

  struct Match {
    size_t start, end;  // bytes
  };

  /// The leftmost match that starts at or after byte `from`. The text is well-formed UTF-8.
  ///
  /// @throws std::runtime_error where the engine gives up on a pathological text.
  std::optional<Match> find(std::string_view text, size_t from) const;

 private:
  struct Code;  // keeps <pcre2.h> out of this header
  std::string pattern_;
  std::unique_ptr<Code> code_;
};

/// The pattern that matches `text` literally.
std::string escaped(std::string_view text);

}  // namespace envs
