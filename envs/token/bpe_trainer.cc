#include "envs/token/bpe_trainer.h"

#include <algorithm>
#include <queue>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "envs/token/utf8.h"

namespace envs {
namespace {

constexpr int32_t kOutside = -1;  // a character outside the alphabet

struct Symbol {
  std::string text;
  int64_t length;  // characters
};

struct Word {
  std::vector<int32_t> symbols;
  int64_t count;
};

using Pair = std::pair<int32_t, int32_t>;

struct PairHash {
  size_t operator()(const Pair& pair) const {
    return std::hash<uint64_t>{}(static_cast<uint64_t>(pair.first) << 32 |
                                 static_cast<uint32_t>(pair.second));
  }
};

struct PairUse {
  int64_t count = 0;
  std::vector<int32_t> words;  // that held the pair at some time; may repeat
};

class Learner {
 public:
  Learner(const std::map<std::string, int64_t>& words, const std::vector<std::string>& alphabet,
          int64_t longest)
      : longest_(longest) {
    for (const std::string& character : alphabet) symbol_of(character, 1);
    for (const auto& [text, count] : words) words_.push_back({spell(text), count});
    for (size_t w = 0; w < words_.size(); ++w) count_pairs(static_cast<int32_t>(w), +1);
    for (const auto& [pair, use] : uses_) offer(pair, use.count);
  }

  std::vector<std::string> learn(int64_t count) {
    std::vector<std::string> pieces;
    while (static_cast<int64_t>(pieces.size()) < count && !queue_.empty()) {
      const auto [frequency, left, right] = queue_.top();
      queue_.pop();
      const Pair pair{-left, -right};
      if (uses_[pair].count != frequency) continue;  // counted again since
      if (frequency < 2) break;
      const auto known = symbols_.size();
      merge(pair);
      if (symbols_.size() > known) pieces.push_back(symbols_.back().text);
    }
    return pieces;
  }

 private:
  int32_t symbol_of(const std::string& text, int64_t length) {
    const auto [found, is_new] = ids_.emplace(text, static_cast<int32_t>(symbols_.size()));
    if (is_new) symbols_.push_back({text, length});
    return found->second;
  }

  std::vector<int32_t> spell(const std::string& text) const {
    std::vector<int32_t> result;
    for (size_t start = 0, end = 0; start < text.size(); start = end) {
      next_code_point(text, end);
      const auto found = ids_.find(text.substr(start, end - start));
      result.push_back(found == ids_.end() ? kOutside : found->second);
    }
    return result;
  }

  bool may_merge(int32_t left, int32_t right) const {
    return left != kOutside && right != kOutside &&
           symbols_[left].length + symbols_[right].length <= longest_;
  }

  void count_pairs(int32_t word, int64_t sign) {
    const Word& w = words_[word];
    for (size_t i = 0; i + 1 < w.symbols.size(); ++i) {
      if (!may_merge(w.symbols[i], w.symbols[i + 1])) continue;
      const Pair pair{w.symbols[i], w.symbols[i + 1]};
      PairUse& use = uses_[pair];
      use.count += sign * w.count;
      if (sign > 0) use.words.push_back(word);
      changed_.insert(pair);
    }
  }

  void merge(const Pair& pair) {
    const int32_t merged = symbol_of(symbols_[pair.first].text + symbols_[pair.second].text,
                                     symbols_[pair.first].length + symbols_[pair.second].length);
    std::vector<int32_t> affected = std::move(uses_[pair].words);
    uses_[pair].words.clear();
    std::ranges::sort(affected);
    affected.erase(std::unique(affected.begin(), affected.end()), affected.end());
    changed_.clear();
    for (const int32_t word : affected) {
      count_pairs(word, -1);
      replace(words_[word].symbols, pair, merged);
      count_pairs(word, +1);
    }
    for (const Pair& other : changed_) offer(other, uses_[other].count);
  }

  static void replace(std::vector<int32_t>& symbols, const Pair& pair, int32_t merged) {
    size_t end = 0;
    for (size_t i = 0; i < symbols.size(); ++i) {
      const bool match =
          i + 1 < symbols.size() && symbols[i] == pair.first && symbols[i + 1] == pair.second;
      symbols[end++] = match ? merged : symbols[i];
      if (match) ++i;
    }
    symbols.resize(end);
  }

  // The most frequent first; of equals the one with the earliest left part, then right part.
  void offer(const Pair& pair, int64_t count) {
    if (count > 0) queue_.emplace(count, -pair.first, -pair.second);
  }

  int64_t longest_;
  std::vector<Symbol> symbols_;
  std::unordered_map<std::string, int32_t> ids_;
  std::vector<Word> words_;
  std::unordered_map<Pair, PairUse, PairHash> uses_;
  std::unordered_set<Pair, PairHash> changed_;
  std::priority_queue<std::tuple<int64_t, int32_t, int32_t>> queue_;
};

}  // namespace

std::vector<std::string> learn_pieces(const std::map<std::string, int64_t>& words,
                                      const std::vector<std::string>& alphabet, int64_t count,
                                      int64_t longest) {
  return Learner(words, alphabet, longest).learn(count);
}

}  // namespace envs
