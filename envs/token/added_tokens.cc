#include "envs/token/added_tokens.h"

#include <algorithm>

#include "envs/token/utf8.h"

namespace envs {
namespace {

bool stands_alone(std::string_view text, size_t start, size_t end) {
  if (start > 0 && is_word(previous_code_point(text, start))) return false;
  return end == text.size() || !is_word(next_code_point(text, end));
}

}  // namespace

void AddedTokenMatcher::add(const AddedToken& token) {
  if (token.content.empty()) return;
  size_t node = 0;
  for (const char c : token.content) {
    const auto [child, is_new] =
        nodes_[node].children.try_emplace(static_cast<unsigned char>(c), nodes_.size());
    node = child->second;
    if (is_new) nodes_.emplace_back();
  }
  nodes_[node].token = static_cast<int64_t>(tokens_.size());
  starts_[static_cast<unsigned char>(token.content[0])] = true;
  tokens_.push_back(token);
}

AddedTokenMatcher::Match AddedTokenMatcher::longest_at(std::string_view text, size_t start) const {
  Match longest;
  size_t node = 0;
  for (size_t i = start; i < text.size(); ++i) {
    const auto child = nodes_[node].children.find(static_cast<unsigned char>(text[i]));
    if (child == nodes_[node].children.end()) break;
    node = child->second;
    if (nodes_[node].token >= 0) longest = {&tokens_[nodes_[node].token], start, i + 1};
  }
  return longest;
}

AddedTokenMatcher::Match AddedTokenMatcher::next_match(std::string_view text, size_t from) const {
  for (size_t start = from; start < text.size(); ++start) {
    if (!starts_[static_cast<unsigned char>(text[start])]) continue;
    if (const Match match = longest_at(text, start); match.token) return match;
  }
  return {};
}

std::vector<AddedTokenMatcher::Segment> AddedTokenMatcher::segments(std::string_view text) const {
  std::vector<Segment> result;
  size_t done = 0;
  Match match = tokens_.empty() ? Match{} : next_match(text, 0);
  for (; match.token; match = next_match(text, match.end)) {
    if (match.token->single_word && !stands_alone(text, match.start, match.end)) continue;
    size_t start = match.start;
    size_t end = match.end;
    if (match.token->lstrip) start -= trailing_space(text.substr(0, start));
    if (match.token->rstrip) end += leading_space(text.substr(end));
    start = std::max(start, done);  // the token before may have taken the blanks
    if (done < start) result.push_back({-1, done, start});
    result.push_back({match.token->id, start, end});
    done = end;
  }
  if (done < text.size()) result.push_back({-1, done, text.size()});
  return result;
}

}  // namespace envs
