#include "envs/token/alignment.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "tests/envs/token/fixtures.h"
#include "tests/envs/token/letters.h"

namespace envs {
namespace {

using Ends = std::vector<int64_t>;

std::string printed(const std::vector<TokenGroup>& groups) {
  std::string text;
  for (const TokenGroup& g : groups) {
    text += std::to_string(g.first_a) + "+" + std::to_string(g.count_a) + "/" +
            std::to_string(g.first_b) + "+" + std::to_string(g.count_b) + " ";
  }
  return text;
}

// Worked number GO-1.
TEST(Align, IsTheWorkedExample) {
  EXPECT_EQ(printed(align(0, Ends{7, 12, 13}, 0, Ends{4, 7, 10, 13})), "0+1/0+2 1+2/2+2 ");
}

TEST(Align, LeavesOutWhatBeginsOrEndsApart) {
  EXPECT_EQ(printed(align(0, Ends{3, 5, 9}, 1, Ends{3, 5, 8})), "1+1/1+1 ");
  EXPECT_EQ(printed(align(0, Ends{}, 0, Ends{2})), "");
  EXPECT_EQ(printed(align(0, Ends{1, 2}, 0, Ends{3})), "");
}

TEST(Align, KeepsPartsOfACharacterTogether) {
  EXPECT_EQ(printed(align(0, Ends{0, 2, 3}, 0, Ends{2, 3})), "0+2/0+1 2+1/1+1 ");
}

// One id per two bytes, 0 for EOS; a last letter alone is a token too.
class Pairs : public Letters {
 public:
  std::vector<int64_t> encode(std::string_view text, bool) const override {
    std::vector<int64_t> ids;
    for (size_t i = 0; i < text.size(); i += 2) {
      const int64_t second = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
      ids.push_back(static_cast<unsigned char>(text[i]) + 256 * second);
    }
    return ids;
  }
  std::string decode(std::span<const int64_t> ids, bool) const override {
    std::string text;
    for (const int64_t id : ids) {
      if (id == 1) continue;
      text += static_cast<char>(id % 256);
      if (id >= 256) text += static_cast<char>(id / 256);
    }
    return text;
  }
  int64_t size() const override { return 65536; }
};

class Quiet : public Letters {  // whose EOS is no text
 public:
  std::string decode(std::span<const int64_t> ids, bool skip) const override {
    std::vector<int64_t> kept;
    for (const int64_t id : ids) {
      if (id != 1) kept.push_back(id);
    }
    return Letters::decode(kept, skip);
  }
};

TEST(Retokenize, CutsTheSameTextAndEndsWhereItEnds) {
  const Quiet letters;
  const Pairs pairs;
  const Example given{.prompt = letters.encode("ab", true),
                      .response = {'c', 'd', 'e', 'f', 1},
                      .ended = true,
                      .where = "test"};
  const Retokenized found = retokenize(given, letters, pairs, 100);
  EXPECT_EQ(found.example.prompt, pairs.encode("ab", true));
  std::vector<int64_t> expected = pairs.encode("cdef", false);
  expected.push_back(1);
  EXPECT_EQ(found.example.response, expected);
  EXPECT_TRUE(found.example.ended);
  EXPECT_EQ(printed(found.groups), "0+2/0+1 2+2/1+1 4+1/2+1 ");
  EXPECT_EQ(found.one_to_one, 0);
  // A token that reaches from the prompt into the answer belongs to the prompt.
  const Example odd{.prompt = {'a'}, .response = {'b', 'c', 'd'}, .ended = false, .where = "test"};
  EXPECT_EQ(printed(retokenize(odd, letters, pairs, 100).groups), "1+2/0+1 ");
  EXPECT_EQ(retokenize(odd, letters, letters, 100).one_to_one, 1);
}

TEST(Retokenize, KeepsWithinTheContext) {
  const Quiet letters;
  const Example given{.prompt = letters.encode("abcd", true),
                      .response = {'e', 'f', 'g'},
                      .ended = false,
                      .where = "test"};
  const Retokenized found = retokenize(given, letters, letters, 6);
  EXPECT_EQ(found.example.prompt.size(), 4u);
  EXPECT_EQ(found.example.response.size(), 2u);
  EXPECT_EQ(found.groups.size(), 2u);
}

TEST(Retokenize, BringsTogetherWhatTwoRealTokenizersSay) {
  const std::string small = shared_data("stories260k"), large = shared_data("tokenizer-gpt2");
  for (const std::string& folder : {small, large}) {
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not here";
  }
  const auto from = load_tokenizer(small), to = load_tokenizer(large);
  const std::string prompt = "Once upon a time",
                    answer = " there was a naïve cat. It liked to play! 😀";
  const std::vector<int64_t> all = from->encode(prompt + answer, true);
  const size_t cut = from->encode(prompt, true).size();
  Example given{.prompt = {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(cut)},
                .response = {all.begin() + static_cast<std::ptrdiff_t>(cut), all.end()},
                .ended = true,
                .where = "test"};
  given.response.push_back(*from->eos_id());
  const Retokenized found = retokenize(given, *from, *to, 200);
  EXPECT_EQ(to->decode(found.example.response, true), answer);
  EXPECT_GT(found.one_to_one, 0.1);
  EXPECT_LT(found.one_to_one, 0.9);
  int64_t tokens = 0;
  for (const TokenGroup& g : found.groups) {
    tokens += g.count_a;
    const auto said = [](const Tokenizer& tokenizer, const std::vector<int64_t>& before,
                         const std::vector<int64_t>& ids, int64_t first, int64_t count) {
      std::vector<int64_t> head = before;
      head.insert(head.end(), ids.begin(), ids.begin() + first);
      std::vector<int64_t> whole = head;
      whole.insert(whole.end(), ids.begin() + first, ids.begin() + first + count);
      return tokenizer.decode(whole, true).substr(tokenizer.decode(head, true).size());
    };
    EXPECT_EQ(said(*from, given.prompt, given.response, g.first_a, g.count_a),
              said(*to, found.example.prompt, found.example.response, g.first_b, g.count_b));
  }
  EXPECT_EQ(tokens, static_cast<int64_t>(given.response.size()));
  const TokenGroup& last = found.groups.back();
  EXPECT_EQ(given.response[static_cast<size_t>(last.first_a)], *from->eos_id());
  EXPECT_EQ(found.example.response[static_cast<size_t>(last.first_b)], *to->eos_id());
}

TEST(MatchedIds, AreSpelledAlikeInTwoRealTokenizers) {
  const std::string small = shared_data("stories260k"), large = shared_data("tokenizer-gpt2");
  for (const std::string& folder : {small, large}) {
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not here";
  }
  const auto a = load_tokenizer(small), b = load_tokenizer(large);
  const std::vector<int64_t> matched = matched_ids(*a, *b);
  EXPECT_EQ(matched[static_cast<size_t>(*a->eos_id())], *b->eos_id());
  const auto there = a->encode(" there", false).back();
  ASSERT_GE(matched[static_cast<size_t>(there)], 0);
  EXPECT_EQ(b->decode(std::vector<int64_t>{matched[static_cast<size_t>(there)]}, false),
            spellings(*a)[static_cast<size_t>(there)]);
  EXPECT_GT(std::count_if(matched.begin(), matched.end(), [](int64_t id) { return id >= 0; }), 150);
}

}  // namespace
}  // namespace envs
