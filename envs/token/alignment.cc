#include "envs/token/alignment.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace envs {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool is_whole(std::string_view text) { return text.find(kReplacement) == std::string_view::npos; }

// Ids without the EOS at their end, and whether there was one.
std::pair<std::vector<int64_t>, bool> without_eos(const std::vector<int64_t>& ids,
                                                  const Tokenizer& tokenizer) {
  std::vector<int64_t> result = ids;
  const bool ended = !ids.empty() && ids.back() == tokenizer.eos_id();
  if (ended) result.pop_back();
  return {result, ended};
}

std::vector<int64_t> encode_whole(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<int64_t> ids = without_eos(tokenizer.encode(text, true), tokenizer).first;
  // Who has no BOS begins a text after the end of another.
  if (ids.empty() && tokenizer.eos_id()) ids.push_back(*tokenizer.eos_id());
  return ids;
}

std::vector<int64_t> joined(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  std::vector<int64_t> result = a;
  result.insert(result.end(), b.begin(), b.end());
  return result;
}

double share_one_to_one(const std::vector<TokenGroup>& groups, int64_t begin,
                        std::span<const int64_t> ends) {
  int64_t bytes = 0;
  for (const TokenGroup& g : groups) {
    if (g.count_a != 1 || g.count_b != 1) continue;
    const auto place = static_cast<size_t>(g.first_a);
    bytes += ends[place] - (place == 0 ? begin : ends[place - 1]);
  }
  const int64_t all = ends.empty() ? 0 : ends.back() - begin;
  return all == 0 ? 1 : static_cast<double>(bytes) / static_cast<double>(all);
}

}  // namespace

std::vector<TokenGroup> align(int64_t begin_a, std::span<const int64_t> ends_a, int64_t begin_b,
                              std::span<const int64_t> ends_b) {
  const auto size_a = static_cast<int64_t>(ends_a.size());
  const auto size_b = static_cast<int64_t>(ends_b.size());
  std::vector<TokenGroup> groups;
  TokenGroup open{0, 0, 0, 0};
  bool begins_together = begin_a == begin_b;
  int64_t at_a = begin_a, at_b = begin_b;
  while (true) {
    const bool meets = at_a == at_b;
    if (meets && (begins_together ? open.count_a > 0 && open.count_b > 0 : true)) {
      if (begins_together) groups.push_back(open);
      open = {open.first_a + open.count_a, 0, open.first_b + open.count_b, 0};
      begins_together = true;
    }
    const bool more_a = open.first_a + open.count_a < size_a;
    const bool more_b = open.first_b + open.count_b < size_b;
    const bool takes_a = at_a < at_b || (at_a == at_b && open.count_a == 0);
    if (takes_a ? !more_a : !more_b) return groups;
    if (takes_a) {
      at_a = ends_a[static_cast<size_t>(open.first_a + open.count_a++)];
    } else {
      at_b = ends_b[static_cast<size_t>(open.first_b + open.count_b++)];
    }
  }
}

std::vector<int64_t> token_ends(const Tokenizer& tokenizer, std::span<const int64_t> ids) {
  std::vector<int64_t> ends;
  int64_t end = 0;
  // Decoding looks at one token before the last place that was no part of a character.
  size_t clean = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    const size_t before = clean == 0 ? 0 : clean - 1;
    const std::string known = tokenizer.decode(ids.subspan(before, clean - before), true);
    const std::string text = tokenizer.decode(ids.subspan(before, i + 1 - before), true);
    const bool grows = text.size() >= known.size();
    const std::string_view added = grows ? std::string_view(text).substr(known.size()) : "";
    const bool is_last = i + 1 == ids.size();
    // What ends in the replacement character may be completed by the next token.
    if (!added.ends_with(kReplacement) || is_last) {
      end += static_cast<int64_t>(added.size());
      clean = i + 1;
    }
    ends.push_back(end);
  }
  return ends;
}

std::vector<std::string> spellings(const Tokenizer& tokenizer) {
  const std::vector<int64_t> some = tokenizer.encode("a", false);
  const std::string before = tokenizer.decode(some, false);
  std::vector<std::string> result;
  for (int64_t id = 0; id < tokenizer.size(); ++id) {
    const std::string text = tokenizer.decode(joined(some, {id}), true);
    const bool is_text = text.size() > before.size() && text.starts_with(before) && is_whole(text);
    result.push_back(is_text ? text.substr(before.size())
                             : std::string(1, '\0') + tokenizer.token(id));
  }
  return result;
}

std::vector<int64_t> matched_ids(const Tokenizer& a, const Tokenizer& b) {
  const std::vector<std::string> spelled_a = spellings(a), spelled_b = spellings(b);
  std::vector<int64_t> result(spelled_a.size(), -1);
  std::vector<bool> used(spelled_b.size(), false);
  const auto match = [&](size_t id, int64_t other) {
    result[id] = other;
    used[static_cast<size_t>(other)] = true;
  };
  if (a.eos_id() && b.eos_id()) match(static_cast<size_t>(*a.eos_id()), *b.eos_id());
  // Entries that are the same to the letter come first: several may be spelled alike.
  for (size_t id = 0; id < result.size(); ++id) {
    const auto same = b.id(a.token(static_cast<int64_t>(id)));
    if (result[id] >= 0 || !same || used[static_cast<size_t>(*same)]) continue;
    if (spelled_a[id] == spelled_b[static_cast<size_t>(*same)]) match(id, *same);
  }
  std::unordered_map<std::string, int64_t> place;
  for (size_t id = 0; id < spelled_b.size(); ++id) {
    if (!used[id]) place.emplace(spelled_b[id], static_cast<int64_t>(id));
  }
  for (size_t id = 0; id < result.size(); ++id) {
    const auto found = place.find(spelled_a[id]);
    if (result[id] >= 0 || found == place.end()) continue;
    match(id, found->second);
    place.erase(found);
  }
  return result;
}

Retokenized retokenize(const Example& given, const Tokenizer& from, const Tokenizer& to,
                       int64_t context) {
  const auto [response, ended] = without_eos(given.response, from);
  const std::vector<int64_t> all = joined(given.prompt, response);
  std::vector<int64_t> ends = token_ends(from, all);
  const int64_t begin = given.prompt.empty() ? 0 : ends[given.prompt.size() - 1];
  ends.erase(ends.begin(), ends.begin() + static_cast<std::ptrdiff_t>(given.prompt.size()));

  const std::vector<int64_t> other = encode_whole(to, from.decode(all, true));
  const std::vector<int64_t> other_ends = token_ends(to, other);
  // A token that reaches from the prompt into the response is the prompt's; so is the first of all.
  const auto first = std::upper_bound(other_ends.begin(), other_ends.end(), begin);
  size_t cut = static_cast<size_t>(first - other_ends.begin());
  const bool straddles = cut < other.size() && (cut == 0 ? 0 : other_ends[cut - 1]) < begin;
  if (straddles) ++cut;
  cut = std::min(std::max<size_t>(cut, 1), other.size());

  Retokenized result;
  result.example = {.prompt = {other.begin(), other.begin() + static_cast<std::ptrdiff_t>(cut)},
                    .response = {other.begin() + static_cast<std::ptrdiff_t>(cut), other.end()},
                    .ended = ended,
                    .where = given.where};
  const std::span<const int64_t> rest(other_ends.begin() + static_cast<std::ptrdiff_t>(cut),
                                      other_ends.end());
  result.groups = align(begin, ends, other_ends[cut - 1], rest);
  result.one_to_one = share_one_to_one(result.groups, begin, ends);
  if (ended) {
    result.groups.push_back({static_cast<int64_t>(response.size()), 1,
                             static_cast<int64_t>(result.example.response.size()), 1});
    result.example.response.push_back(*to.eos_id());
  }
  std::vector<int64_t>& prompt = result.example.prompt;
  std::vector<int64_t>& answer = result.example.response;
  if (static_cast<int64_t>(prompt.size()) >= context) {
    prompt.erase(prompt.begin(), prompt.end() - static_cast<std::ptrdiff_t>(context - 1));
  }
  const int64_t room = context - static_cast<int64_t>(prompt.size());
  if (static_cast<int64_t>(answer.size()) > room) {
    answer.resize(static_cast<size_t>(room));
    result.example.ended = false;
    std::erase_if(result.groups, [&](const TokenGroup& g) { return g.first_b + g.count_b > room; });
  }
  return result;
}

}  // namespace envs
