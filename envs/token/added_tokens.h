#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace envs {

/// A token that is found in the text itself, before the model sees it.
struct AddedToken {
  int64_t id = -1;
  std::string content;
  bool single_word = false;  // only where no word character is beside it
  bool lstrip = false;       // takes the blanks before it
  bool rstrip = false;       // takes the blanks after it
  bool normalized = false;   // looked for after normalisation
  bool special = false;      // left out when decoding without special tokens
};

/// Finds added tokens in a text: the leftmost first, of several there the longest.
///
/// Immutable once built; may be used from several threads at once.
class AddedTokenMatcher {
 public:
  /// A token without content is never found.
  void add(const AddedToken& token);

  /// Length of the longest token that the text starts with, 0 where there is none; the options of
  /// the token do not count.
  size_t longest_length(std::string_view text) const { return longest_at(text, 0).end; }

  struct Segment {
    int64_t id;  // of the token, -1 for text between tokens
    size_t start, end;
  };

  /// Tokens and the text between them, in order.
  std::vector<Segment> segments(std::string_view text) const;

 private:
  struct Node {
    std::map<unsigned char, size_t> children;
    int64_t token = -1;  // index into tokens_
  };
  struct Match {
    const AddedToken* token = nullptr;
    size_t start = 0, end = 0;
  };

  Match next_match(std::string_view text, size_t from) const;
  Match longest_at(std::string_view text, size_t start) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_{1};
  std::array<bool, 256> starts_{};  // bytes that some token starts with
};

}  // namespace envs
