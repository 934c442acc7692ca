#include "envs/token/unigram.h"

#include <algorithm>
#include <limits>
#include <ranges>
#include <stdexcept>

#include "envs/token/token_decoder.h"
#include "envs/token/utf8.h"

namespace envs {
namespace {

constexpr double kUnkPenalty = 10;  // SentencePiece's

uint64_t child_key(uint64_t node, char byte) {
  return node << 8 | static_cast<unsigned char>(byte);
}

int64_t id_or_minus_one(const Vocabulary& vocabulary, std::string_view token) {
  const auto found = vocabulary.find(token);
  return found == vocabulary.end() ? -1 : found->second;
}

}  // namespace

Unigram::Unigram(const std::vector<UnigramPiece>& pieces, const UnigramOptions& options)
    : options_(options) {
  const auto count = static_cast<int64_t>(pieces.size());
  if (options_.unk_id < -1 || options_.unk_id >= count) {
    throw std::invalid_argument("unk_id " + std::to_string(options_.unk_id) +
                                " is outside the vocabulary of " + std::to_string(count) +
                                " tokens");
  }
  double lowest = std::numeric_limits<float>::max();
  for (int32_t id = 0; id < count; ++id) {
    const auto& [text, score] = pieces[id];
    vocabulary_.insert_or_assign(text, id);
    if (!score) continue;
    add(text, {id, *score});
    lowest = std::min(lowest, *score);
  }
  unk_score_ = rounded(lowest - kUnkPenalty);
  for (int b = 0; b < 256; ++b) byte_ids_.push_back(id_or_minus_one(vocabulary_, byte_token(b)));
}

void Unigram::add(std::string_view text, const Node& piece) {
  uint32_t node = 0;
  for (const char c : text) {
    const auto [child, is_new] =
        children_.try_emplace(child_key(node, c), static_cast<uint32_t>(nodes_.size()));
    node = child->second;
    if (is_new) nodes_.emplace_back();
  }
  nodes_[node] = piece;
}

void Unigram::encode(std::string_view piece, std::vector<int64_t>& ids) const {
  const std::vector<Arrival> best = arrivals(piece);
  const auto first = static_cast<std::ptrdiff_t>(ids.size());
  for (size_t end = piece.size(); end > 0;) {
    size_t start = best[end].start;
    if (best[end].id == options_.unk_id) {
      while (start > 0 && best[start].id == options_.unk_id) start = best[start].start;
      append_unknown_backwards(piece.substr(start, end - start), ids);
    } else {
      ids.push_back(best[end].id);
    }
    end = start;
  }
  std::reverse(ids.begin() + first, ids.end());
}

// For every byte where a character ends, the best way to get there.
std::vector<Unigram::Arrival> Unigram::arrivals(std::string_view text) const {
  std::vector<Arrival> best(text.size() + 1);
  for (size_t start = 0, next = 0; start < text.size(); start = next) {
    next_code_point(text, next);
    if (offer_pieces(text, start, best)) continue;
    const double sum = rounded(best[start].sum + unk_score_);
    if (best[next].id == kNowhere || sum > best[next].sum) {
      best[next] = {sum, static_cast<int32_t>(options_.unk_id), static_cast<uint32_t>(start)};
    }
  }
  return best;
}

// Whether the character at `start` is a piece itself.
bool Unigram::offer_pieces(std::string_view text, size_t start, std::vector<Arrival>& best) const {
  size_t after_first = start;
  next_code_point(text, after_first);
  bool is_piece = false;
  uint32_t node = 0;
  for (size_t end = start + 1; end <= text.size(); ++end) {
    const auto child = children_.find(child_key(node, text[end - 1]));
    if (child == children_.end()) break;
    node = child->second;
    if (nodes_[node].id < 0) continue;
    is_piece |= end == after_first;
    // SentencePiece compares before it rounds.
    const double sum = best[start].sum + nodes_[node].score;
    if (best[end].id == kNowhere || sum > best[end].sum) {
      best[end] = {rounded(sum), nodes_[node].id, static_cast<uint32_t>(start)};
    }
  }
  return is_piece;
}

double Unigram::rounded(double sum) const {
  return options_.float_sums ? static_cast<float>(sum) : sum;
}

void Unigram::append_unknown_backwards(std::string_view run, std::vector<int64_t>& ids) const {
  const auto byte_id = [this](char c) { return byte_ids_[static_cast<unsigned char>(c)]; };
  if (options_.byte_fallback && std::ranges::all_of(run, [&](char c) { return byte_id(c) >= 0; })) {
    for (const char c : std::views::reverse(run)) ids.push_back(byte_id(c));
  } else if (options_.unk_id >= 0) {
    ids.push_back(options_.unk_id);
  } else {
    throw std::invalid_argument("\"" + std::string(run) +
                                "\" is outside the vocabulary, which has no unk_id");
  }
}

}  // namespace envs
