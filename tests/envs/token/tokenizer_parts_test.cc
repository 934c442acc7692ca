// What the fixtures do not reach: errors, the rarer components, and where texts are cut.

#include <random>

#include "envs/token/added_tokens.h"
#include "envs/token/bpe.h"
#include "envs/token/normalizer.h"
#include "envs/token/pre_tokenizer.h"
#include "envs/token/sentencepiece_model.h"
#include "envs/token/token_decoder.h"
#include "envs/token/tokenizer.h"
#include "envs/token/tokenizer_json.h"
#include "envs/token/utf8.h"
#include "tests/envs/token/fixtures.h"

namespace envs {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

// Letters a and b, and ab.
json small() {
  return json::parse(R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2},
                                   "merges": [["a", "b"]]}})");
}

std::string error_with(const json& change) {
  json description = small();
  description.merge_patch(change);
  return error_of([&] { tokenizer_from_json(description); });
}

TEST(TokenizerJson, NamesWhatItDoesNotSupport) {
  EXPECT_EQ(error_with({{"model", {{"type", "WordPiece"}}}}), "unsupported model \"WordPiece\"");
  EXPECT_EQ(error_with({{"model", {{"dropout", 0.1}}}}),
            "unsupported option \"dropout\" of model \"BPE\"");
  EXPECT_EQ(error_with({{"model", {{"end_of_word_suffix", "</w>"}}}}),
            "unsupported option \"end_of_word_suffix\" of model \"BPE\"");
  EXPECT_EQ(error_with({{"normalizer", {{"type", "BertNormalizer"}}}}),
            "unsupported normalizer \"BertNormalizer\"");
  EXPECT_EQ(error_with({{"pre_tokenizer", {{"type", "BertPreTokenizer"}}}}),
            "unsupported pre_tokenizer \"BertPreTokenizer\"");
  EXPECT_EQ(error_with({{"decoder", {{"type", "CTC"}}}}), "unsupported decoder \"CTC\"");
  EXPECT_EQ(error_with({{"post_processor", {{"type", "Other"}}}}),
            "unsupported post_processor \"Other\"");
}

TEST(TokenizerJson, NamesABadMergeOrId) {
  EXPECT_EQ(error_with({{"model", {{"merges", {"a b c"}}}}}),
            "a merge should be \"a b\" or [\"a\", \"b\"], found \"a b c\"");
  EXPECT_EQ(error_with({{"model", {{"merges", {"a c"}}}}}),
            "merge 0: token \"c\" is not in the vocabulary");
  EXPECT_EQ(error_with({{"model", {{"vocab", {{"a", -1}}}}}}), "the id of token \"a\" is -1");
  EXPECT_EQ(error_with({{"model", {{"unk_token", "?"}}}}),
            "unk_token: token \"?\" is not in the vocabulary");
}

TEST(Tokenizer, NamesTheByteThatIsNoText) {
  const auto tokenizer = tokenizer_from_json(small());
  EXPECT_EQ(error_of([&] { tokenizer->encode("ab\xC3(", true); }), "text: invalid UTF-8 at byte 2");
}

TEST(Tokenizer, RefusesIdsOutsideItsVocabulary) {
  const auto tokenizer = tokenizer_from_json(small());
  const std::vector<int64_t> ids{3};
  const std::string error = "id 3 is outside the vocabulary of 3 tokens";
  EXPECT_EQ(error_of([&] { tokenizer->decode(ids, true); }), error);
  EXPECT_EQ(error_of([&] { tokenizer->token(3); }), error);
  EXPECT_EQ(error_of([&] { tokenizer->token(-1); }), "id -1 is outside the vocabulary of 3 tokens");
}

TEST(LoadTokenizer, NamesTheFileThatIsWrong) {
  const TemporaryFolder folder;
  EXPECT_EQ(error_of([] { load_tokenizer("/nowhere"); }), "/nowhere: no such file or folder");
  EXPECT_EQ(error_of([&] { load_tokenizer(folder.path()); }),
            folder.path() +
                ": expected tokenizer.json, tokenizer.model or vocab.json with "
                "merges.txt, found none of them");
  const std::string file = folder.write("tokenizer.json", "{\"model\": ");
  EXPECT_THAT(error_of([&] { load_tokenizer(folder.path()); }), HasSubstr(file + ": "));
  const std::string model = folder.write("a.model", "no model");
  EXPECT_EQ(error_of([&] { load_tokenizer(model); }), model + ": not a SentencePiece model");
  const std::string other = folder.write("a.txt", "");
  EXPECT_EQ(error_of([&] { load_tokenizer(other); }),
            other + ": expected a file that ends in .json or .model");
}

TEST(LoadTokenizer, TakesSpecialIdsFromTheFilesBesideIt) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", small().dump());
  folder.write("config.json", R"({"bos_token_id": 1, "eos_token_id": [2, 1], "pad_token_id": 0})");
  EXPECT_EQ(load_tokenizer(folder.path())->eos_id(), 2);
  folder.write("tokenizer_config.json",
               R"({"bos_token": null, "eos_token": {"content": "a"}, "pad_token": "b"})");
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_EQ(tokenizer->bos_id(), std::nullopt);
  EXPECT_EQ(tokenizer->eos_id(), 0);
  EXPECT_EQ(tokenizer->pad_id(), 1);
}

TEST(LoadTokenizer, ReadsGpt2Files) {
  const TemporaryFolder folder;
  folder.write("vocab.json", R"({"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3})");
  folder.write("merges.txt", "#version: 0.2\na b\n");
  const auto tokenizer = load_tokenizer(folder.path());
  EXPECT_THAT(tokenizer->encode("ab<|endoftext|>ba", true), ElementsAre(2, 3, 1, 0));
  EXPECT_EQ(tokenizer->eos_id(), 3);
}

TEST(LoadTokenizer, ReadsTheRealGpt2) {
  const std::string folder = shared_data("tokenizer-gpt2");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not here";
  const auto tokenizer = load_tokenizer(folder);
  EXPECT_EQ(tokenizer->size(), 50257);
  EXPECT_THAT(tokenizer->encode("Hello world", true), ElementsAre(15496, 995));
}

TEST(LoadTokenizer, ReadsTheStories) {
  const std::string folder = shared_data("stories260k");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not here";
  const auto tokenizer = load_tokenizer(folder);
  EXPECT_EQ(tokenizer->size(), 512);
  const auto ids = tokenizer->encode("Once upon a time", true);
  EXPECT_EQ(ids.front(), 1);
  EXPECT_EQ(tokenizer->decode(ids, true), "Once upon a time");
}

TEST(VocabularyDifference, ShowsTheFirstTokens) {
  json other = small();
  other["model"]["vocab"] = {{"a", 0}, {"b", 1}, {"ab", 3}, {"c", 2}};
  const auto a = tokenizer_from_json(small());
  const auto b = tokenizer_from_json(other);
  EXPECT_EQ(vocabulary_difference(*a, *a), std::nullopt);
  EXPECT_EQ(vocabulary_difference(*a, *b),
            "2 tokens differ (3 against 4); id 2 is \"ab\" against \"c\"; "
            "id 3 is nothing against \"ab\"");
}

// The parts are only a faster way: a queue over the whole text gives the same ids.
TEST(Bpe, CutsLongTextsOnlyWhereNothingCrosses) {
  const Vocabulary vocabulary{{"a", 0},  {"b", 1},   {" ", 2},    {"ab", 3}, {" a", 4},
                              {"  ", 5}, {"aba", 6}, {"abab", 7}, {"?", 8}};
  const std::vector<std::pair<std::string, std::string>> merges{
      {"a", "b"}, {" ", "a"}, {" ", " "}, {"ab", "a"}, {"ab", "ab"}};
  const Bpe cut(vocabulary, merges, {.unk_token = "?", .fuse_unk = true});
  const Bpe whole(vocabulary, merges, {.unk_token = "?", .fuse_unk = true, .ignore_merges = true});
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (int j = 0; j < 150; ++j) text += "aabb  zy"[random() % 8];
    std::vector<int64_t> x, y;
    cut.encode(text, x);
    whole.encode(text, y);
    ASSERT_EQ(x, y) << text;
  }
}

std::vector<std::string> cut(const json& description, const std::string& text) {
  std::vector<Piece> pieces;
  pieces.push_back({text, true});
  std::vector<std::string> texts;
  for (const Piece& piece : make_pre_tokenizer(description)(pieces)) texts.push_back(piece.text);
  return texts;
}

TEST(Split, KnowsFiveBehaviors) {
  const auto split = [](const std::string& behavior) {
    return cut({{"type", "Split"}, {"pattern", {{"String", "-"}}}, {"behavior", behavior}},
               "a--b-c");
  };
  EXPECT_THAT(split("Removed"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(split("Isolated"), ElementsAre("a", "-", "-", "b", "-", "c"));
  EXPECT_THAT(split("MergedWithPrevious"), ElementsAre("a-", "-", "b-", "c"));
  EXPECT_THAT(split("MergedWithNext"), ElementsAre("a", "-", "-b", "-c"));
  EXPECT_THAT(split("Contiguous"), ElementsAre("a", "--", "b", "-", "c"));
  EXPECT_EQ(error_of([&] { split("Other"); }), "unsupported split behavior \"Other\"");
}

TEST(PreTokenizers, CutAtDigitsPunctuationAndBlanks) {
  EXPECT_THAT(cut({{"type", "Digits"}, {"individual_digits", true}}, "a12b"),
              ElementsAre("a", "1", "2", "b"));
  EXPECT_THAT(cut({{"type", "Digits"}}, "a12b"), ElementsAre("a", "12", "b"));
  EXPECT_THAT(cut({{"type", "Punctuation"}}, "a,b"), ElementsAre("a", ",", "b"));
  EXPECT_THAT(cut({{"type", "WhitespaceSplit"}}, " a  b"), ElementsAre("a", "b"));
}

std::string normalized(const json& description, std::string text) {
  make_normalizer(description)(text);
  return text;
}

TEST(Normalizers, DoWhatTheirNamesSay) {
  EXPECT_EQ(normalized({{"type", "NFC"}}, "e\u0301"), "\u00e9");
  EXPECT_EQ(normalized({{"type", "NFD"}}, "\u00e9"), "e\u0301");
  EXPECT_EQ(normalized({{"type", "NFKC"}}, "\ufb01"), "fi");
  EXPECT_EQ(normalized({{"type", "Lowercase"}}, "\u00c9A\u0130"), "\u00e9ai\u0307");
  EXPECT_EQ(normalized({{"type", "StripAccents"}}, "e\u0301"), "e");
  EXPECT_EQ(normalized({{"type", "Strip"}, {"strip_left", true}, {"strip_right", false}}, " a "),
            "a ");
  EXPECT_EQ(
      normalized({{"type", "Replace"}, {"pattern", {{"Regex", " +"}}}, {"content", "_"}}, "a  b c"),
      "a_b_c");
}

TEST(Utf8, FindsTheFirstIllFormedByte) {
  EXPECT_EQ(invalid_utf8("a\u00e9\u20ac\U0001F600"), std::nullopt);
  EXPECT_EQ(invalid_utf8("\xC0\x80"), 0);          // overlong
  EXPECT_EQ(invalid_utf8("a\xED\xA0\x80"), 1);     // a surrogate
  EXPECT_EQ(invalid_utf8("\xF4\x90\x80\x80"), 0);  // beyond U+10FFFF
  EXPECT_EQ(invalid_utf8("\u20ac\xE2\x82"), 3);    // cut off
}

TEST(Utf8, RepairsMaximalParts) { EXPECT_EQ(repaired_utf8("a\xE2\x82z\xFF"), "a\uFFFDz\uFFFD"); }

TEST(SentencePieceModel, SurvivesARoundTrip) {
  SentencePieceModel model{.pieces = {{"<unk>", 0, SentencePieceModel::kUnknown}, {"a", -1.5f}},
                           .kind = SentencePieceModel::kBpe,
                           .precompiled_charsmap = "x"};
  const SentencePieceModel again = parse_sentencepiece(serialize(model));
  EXPECT_EQ(again.pieces.at(1).text, "a");
  EXPECT_EQ(again.pieces.at(1).score, -1.5f);
  EXPECT_EQ(again.pieces.at(0).type, SentencePieceModel::kUnknown);
  EXPECT_EQ(again.kind, SentencePieceModel::kBpe);
  EXPECT_EQ(again.pad_id, -1);
  EXPECT_EQ(again.precompiled_charsmap, "x");
}

TEST(SentencePieceModel, RefusesWhatIsCutOff) {
  const std::string bytes = serialize({.pieces = {{"abc", 0}}, .precompiled_charsmap = {}});
  EXPECT_EQ(error_of([&] { parse_sentencepiece(bytes.substr(0, 5)); }),
            "not a SentencePiece model");
  EXPECT_EQ(error_of([] { parse_sentencepiece(""); }), "not a SentencePiece model");
}

}  // namespace
}  // namespace envs
