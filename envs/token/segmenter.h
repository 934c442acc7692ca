#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace envs {

/// Lets a table of strings be searched by view.
struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

/// Token strings and their ids.
using Vocabulary = std::unordered_map<std::string, int64_t, StringHash, std::equal_to<>>;

/// The model of a tokenizer: cuts normalised text into tokens.
///
/// May be used from several threads at once.
class Segmenter {
 public:
  virtual ~Segmenter() = default;

  /// Appends the ids of one piece of well-formed UTF-8.
  virtual void encode(std::string_view piece, std::vector<int64_t>& ids) const = 0;

  virtual const Vocabulary& vocabulary() const = 0;
};

}  // namespace envs
