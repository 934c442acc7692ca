#include "envs/token/unigram.h"

#include <thread>

#include "envs/token/tokenizer.h"
#include "envs/token/tokenizer_json.h"
#include "tests/envs/token/fixtures.h"

namespace envs {
namespace {

using nlohmann::json;
using testing::ElementsAre;

std::vector<int64_t> encoded(const Unigram& unigram, const std::string& text) {
  std::vector<int64_t> ids;
  unigram.encode(text, ids);
  return ids;
}

std::vector<UnigramPiece> pieces() {
  return {{"<unk>", {}}, {"a", -1}, {"b", -1}, {"ab", -3}, {"abc", -2}, {"<0x7A>", {}}};
}

TEST(Unigram, TakesTheHighestSum) {
  const Unigram unigram(pieces(), {.unk_id = 0});
  EXPECT_THAT(encoded(unigram, "ab"), ElementsAre(1, 2));    // -2 against -3
  EXPECT_THAT(encoded(unigram, "abca"), ElementsAre(4, 1));  // c is part of a piece only
  EXPECT_THAT(encoded(unigram, ""), ElementsAre());
}

// Both libraries replace the best so far only by what is better, and look from the left.
TEST(Unigram, PrefersTheLongestLastPieceOfEqualSums) {
  const Unigram unigram({{"a", -1}, {"aa", -2}, {"aaa", -3}}, {});
  EXPECT_THAT(encoded(unigram, "aaa"), ElementsAre(2));
  EXPECT_THAT(encoded(unigram, "aaaa"), ElementsAre(0, 2));
}

TEST(Unigram, FusesUnknownCharacters) {
  const Unigram unigram(pieces(), {.unk_id = 0});
  EXPECT_THAT(encoded(unigram, "xyaz\u00e9"), ElementsAre(0, 1, 0));
}

TEST(Unigram, SpellsUnknownCharactersInBytes) {
  const Unigram unigram(pieces(), {.unk_id = 0, .byte_fallback = true});
  EXPECT_THAT(encoded(unigram, "zza"), ElementsAre(5, 5, 1));
  EXPECT_THAT(encoded(unigram, "zx"), ElementsAre(0));  // no byte token for x
}

TEST(Unigram, SaysWhatItCannotSpell) {
  const Unigram unigram(pieces(), {});
  EXPECT_EQ(error_of([&] { encoded(unigram, "axy"); }),
            "\"xy\" is outside the vocabulary, which has no unk_id");
  EXPECT_EQ(error_of([] { Unigram(pieces(), {.unk_id = 6}); }),
            "unk_id 6 is outside the vocabulary of 6 tokens");
}

TEST(Unigram, EncodesLongTexts) {
  const Unigram unigram(pieces(), {.unk_id = 0});
  EXPECT_EQ(encoded(unigram, std::string(1'000'000, 'a')).size(), 1'000'000);
  EXPECT_THAT(encoded(unigram, std::string(1'000'000, 'x')), ElementsAre(0));
}

TEST(Unigram, GivesTheSameIdsOnEveryThread) {
  const Unigram unigram(pieces(), {.unk_id = 0});
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "abcabxba";
  std::vector<std::vector<int64_t>> results(4);
  {
    std::vector<std::jthread> threads;
    for (auto& result : results) threads.emplace_back([&] { result = encoded(unigram, text); });
  }
  for (const auto& result : results) EXPECT_EQ(result, encoded(unigram, text));
}

TEST(TokenizerJson, ReadsAUnigramModel) {
  const auto tokenizer = tokenizer_from_json(json::parse(R"({
      "added_tokens": [{"id": 0, "content": "<unk>", "special": true}],
      "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
      "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
      "model": {"type": "Unigram", "unk_id": 0,
                "vocab": [["<unk>", 0.0], ["▁", -2.0], ["▁a", -2.5], ["a", -3.0], ["b", -3.0]]}})"));
  EXPECT_EQ(tokenizer->size(), 5);
  EXPECT_THAT(tokenizer->encode("a ab", true), ElementsAre(2, 2, 4));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a ab", true), true), "a ab");
}

TEST(TokenizerJson, NamesABadUnigramModel) {
  const auto error = [](const json& model) {
    return error_of([&] { tokenizer_from_json({{"model", model}}); });
  };
  EXPECT_EQ(error({{"type", "Unigram"}, {"vocab", json::parse(R"([["a", "b"]])")}}),
            "an entry of the vocabulary should be [\"token\", score], found [\"a\",\"b\"]");
  EXPECT_EQ(error({{"type", "Unigram"}, {"unk_id", 0}, {"vocab", json::array()}}),
            "unk_id 0 is outside the vocabulary of 0 tokens");
}

}  // namespace
}  // namespace envs
