#include "envs/token/bpe.h"

#include <algorithm>
#include <queue>
#include <stdexcept>

#include "envs/token/token_decoder.h"
#include "envs/token/utf8.h"

namespace envs {
namespace {

constexpr size_t kLongestRemembered = 64;   // bytes of a piece
constexpr size_t kMostRemembered = 20'000;  // pieces per thread
constexpr size_t kFewSymbols = 24;  // up to here a plain scan is faster than a queue (measured)

uint64_t pair_key(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

uint64_t character_key(char32_t left, char32_t right) {
  return (static_cast<uint64_t>(left) << 32) | right;
}

// The two characters that meet where `left` and `right` are joined.
uint64_t joint(std::string_view left, std::string_view right) {
  size_t end = left.size();
  size_t start = 0;
  return character_key(previous_code_point(left, end), next_code_point(right, start));
}

int32_t id_or_minus_one(const Vocabulary& vocabulary, std::string_view token) {
  const auto found = vocabulary.find(token);
  return found == vocabulary.end() ? -1 : static_cast<int32_t>(found->second);
}

int32_t id_of(const Vocabulary& vocabulary, const std::string& token, const std::string& where) {
  const int32_t id = id_or_minus_one(vocabulary, token);
  if (id >= 0) return id;
  throw std::invalid_argument(where + ": token \"" + token + "\" is not in the vocabulary");
}

}  // namespace

Bpe::Bpe(Vocabulary vocabulary, const std::vector<std::pair<std::string, std::string>>& merges,
         BpeOptions options)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)) {
  if (!options_.unk_token.empty()) unk_id_ = id_of(vocabulary_, options_.unk_token, "unk_token");
  for (int b = 0; b < 256; ++b) byte_ids_.push_back(id_or_minus_one(vocabulary_, byte_token(b)));
  merges_.reserve(merges.size());
  may_cut_ = !options_.ignore_merges;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const std::string where = "merge " + std::to_string(rank);
    const int32_t left_id = id_of(vocabulary_, left, where);
    const int32_t right_id = id_of(vocabulary_, right, where);
    merges_.insert_or_assign(
        pair_key(left_id, right_id),
        Merge{static_cast<int32_t>(rank), id_of(vocabulary_, left + right, where)});
    if (left.empty() || right.empty()) throw std::invalid_argument(where + ": an empty part");
    joints_.insert(joint(left, right));
    for (const int32_t id : {left_id, right_id}) {
      if (id == unk_id_ || std::ranges::find(byte_ids_, id) != byte_ids_.end()) may_cut_ = false;
    }
  }
}

void Bpe::encode(std::string_view piece, std::vector<int64_t>& ids) const {
  if (piece.size() <= kLongestRemembered) return encode_short(piece, ids);
  may_cut_ ? encode_in_parts(piece, ids) : encode_anew(piece, ids);
}

void Bpe::encode_short(std::string_view piece, std::vector<int64_t>& ids) const {
  Cache& cache = caches_.local();
  auto known = cache.find(piece);
  if (known == cache.end()) {
    std::vector<int64_t> fresh;
    encode_anew(piece, fresh);
    if (cache.size() >= kMostRemembered) cache.clear();
    known = cache.emplace(std::string(piece), std::move(fresh)).first;
  }
  ids.insert(ids.end(), known->second.begin(), known->second.end());
}

// Where no merge joins two neighbours nothing ever crosses, so the parts on both sides can be encoded
// on their own: exact, and the cache serves text that no pre-tokenizer has cut.
void Bpe::encode_in_parts(std::string_view piece, std::vector<int64_t>& ids) const {
  size_t end = 0;
  char32_t left = next_code_point(piece, end);
  for (size_t start = 0; start < piece.size();) {
    const size_t cut = end;
    const bool at_end = end == piece.size();
    const char32_t right = at_end ? 0 : next_code_point(piece, end);
    if (at_end || !may_join(left, right)) {
      const std::string_view part = piece.substr(start, cut - start);
      part.size() <= kLongestRemembered ? encode_short(part, ids) : encode_anew(part, ids);
      start = cut;
    }
    left = right;
  }
}

bool Bpe::may_join(char32_t left, char32_t right) const {
  if (joints_.contains(character_key(left, right))) return true;
  return options_.fuse_unk && is_unk(left) && is_unk(right);
}

bool Bpe::is_unk(char32_t character) const {
  std::string text;
  append_code_point(text, character);
  return id_or_minus_one(vocabulary_, text) < 0;
}

void Bpe::encode_anew(std::string_view piece, std::vector<int64_t>& ids) const {
  if (options_.ignore_merges) {
    const int32_t whole = id_or_minus_one(vocabulary_, piece);
    if (whole >= 0) return ids.push_back(whole);
  }
  std::vector<int32_t> symbols = characters(piece);
  symbols.size() <= kFewSymbols ? merge_few(symbols) : merge_many(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
}

std::vector<int32_t> Bpe::characters(std::string_view piece) const {
  std::vector<int32_t> symbols;
  symbols.reserve(piece.size());
  bool after_unk = false;
  for (size_t start = 0, end = 0; start < piece.size(); start = end) {
    next_code_point(piece, end);
    const std::string_view character = piece.substr(start, end - start);
    const int32_t id = id_or_minus_one(vocabulary_, character);
    if (id >= 0) {
      symbols.push_back(id);
    } else {
      add_bytes_or_unk(character, after_unk, symbols);
    }
    after_unk = id < 0 && !symbols.empty() && symbols.back() == unk_id_;
  }
  return symbols;
}

void Bpe::add_bytes_or_unk(std::string_view character, bool after_unk,
                           std::vector<int32_t>& symbols) const {
  const auto byte_id = [this](char c) { return byte_ids_[static_cast<unsigned char>(c)]; };
  if (options_.byte_fallback &&
      std::ranges::all_of(character, [&](char c) { return byte_id(c) >= 0; })) {
    for (const char c : character) symbols.push_back(byte_id(c));
  } else if (unk_id_ >= 0 && !(options_.fuse_unk && after_unk)) {
    symbols.push_back(unk_id_);
  }
}

const Bpe::Merge* Bpe::merge_of(int32_t left, int32_t right) const {
  const auto found = merges_.find(pair_key(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

// Quadratic, without allocation: for words.
void Bpe::merge_few(std::vector<int32_t>& symbols) const {
  for (;;) {
    const Merge* best = nullptr;
    size_t at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const Merge* merge = merge_of(symbols[i], symbols[i + 1]);
      if (merge && (!best || merge->rank < best->rank)) {
        best = merge;
        at = i;
      }
    }
    if (!best) return;
    symbols[at] = best->id;
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

// A queue of candidate pairs over a doubly linked list, O(n log n): for text that was not cut.
void Bpe::merge_many(std::vector<int32_t>& symbols) const {
  struct Candidate {
    int32_t rank, position, left, right;  // the pair as it was when the candidate was made
    bool operator>(const Candidate& other) const {
      return std::pair(rank, position) > std::pair(other.rank, other.position);
    }
  };
  const auto count = static_cast<int32_t>(symbols.size());
  std::vector<int32_t> next(count), previous(count);
  for (int32_t i = 0; i < count; ++i) {
    next[i] = i + 1;
    previous[i] = i - 1;
  }
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto offer = [&](int32_t i) {
    if (i < 0 || next[i] >= count) return;
    if (const Merge* merge = merge_of(symbols[i], symbols[next[i]])) {
      queue.push({merge->rank, i, symbols[i], symbols[next[i]]});
    }
  };
  for (int32_t i = 0; i + 1 < count; ++i) offer(i);

  constexpr int32_t kGone = -1;
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    const int32_t i = best.position;
    const bool stale =
        symbols[i] != best.left || next[i] >= count || symbols[next[i]] != best.right;
    if (stale) continue;
    const int32_t gone = next[i];
    symbols[i] = merge_of(best.left, best.right)->id;
    symbols[gone] = kGone;
    next[i] = next[gone];
    if (next[i] < count) previous[next[i]] = i;
    offer(previous[i]);
    offer(i);
  }
  std::erase(symbols, kGone);
}

}  // namespace envs
