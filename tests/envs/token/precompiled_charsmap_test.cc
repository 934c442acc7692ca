#include "envs/token/precompiled_charsmap.h"

#include <random>

#include "envs/token/normalizer.h"
#include "envs/token/sentencepiece_model.h"
#include "envs/token/text_file.h"
#include "envs/token/utf8.h"
#include "tests/envs/token/fixtures.h"

namespace envs {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

// Its rules are those of tests/fixtures/tokenizers/README.md.
std::string charsmap_bytes() {
  const std::string model = fixture("tokenizers/sentencepiece-unigram/tokenizer.model");
  return parse_sentencepiece(read_file(model)).precompiled_charsmap;
}

std::string base64(const std::string& bytes) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t bit = 0; bit < bytes.size() * 8; bit += 6) {
    const auto byte = [&](size_t i) { return i < bytes.size() ? bytes[i] & 0xFF : 0; };
    const int pair = byte(bit / 8) << 8 | byte(bit / 8 + 1);
    text += digits[pair >> (10 - bit % 8) & 0x3F];
  }
  while (text.size() % 4 != 0) text += '=';
  return text;
}

std::string normalized(const json& description, std::string text) {
  make_normalizer(description)(text);
  return text;
}

std::string precompiled(const std::string& text) {
  return normalized({{"type", "Precompiled"}, {"precompiled_charsmap", base64(charsmap_bytes())}},
                    text);
}

std::string error_with(const std::string& bytes) {
  return error_of([&] { PrecompiledCharsmap{bytes}; });
}

TEST(PrecompiledCharsmap, FindsTheShortestAndTheLongestString) {
  const PrecompiledCharsmap charsmap(charsmap_bytes());
  EXPECT_EQ(charsmap.shortest("q\u0301x").length, 1);
  EXPECT_EQ(charsmap.shortest("q\u0301x").replacement, "k");
  EXPECT_EQ(charsmap.longest("q\u0301x").length, 3);
  EXPECT_EQ(charsmap.longest("q\u0301x").replacement, "K");
  EXPECT_EQ(charsmap.longest("xq").length, 0);
  EXPECT_EQ(charsmap.longest("").length, 0);
  EXPECT_EQ(charsmap.longest("\u200b").length, 3);
  EXPECT_EQ(charsmap.longest("\u200b").replacement, "");
}

TEST(PrecompiledCharsmap, RefusesWhatIsCutOff) {
  const std::string bytes = charsmap_bytes();
  EXPECT_EQ(error_with(""), "corrupt precompiled_charsmap: no length");
  EXPECT_EQ(error_with(std::string(4, '\0')),
            "corrupt precompiled_charsmap: a trie of 0 bytes in 0");
  EXPECT_THAT(error_with(bytes.substr(0, 1000)), HasSubstr(" bytes in 996"));
  const size_t trie_length = static_cast<size_t>(bytes[1]) << 8;  // a small one
  EXPECT_THAT(error_with(bytes.substr(0, 4 + trie_length)), HasSubstr(" leads nowhere"));
  EXPECT_THAT(error_with(bytes + "\xFF"), HasSubstr("invalid UTF-8"));
}

// Whatever the bytes are, they are refused or turn text into text.
TEST(PrecompiledCharsmap, SurvivesWrongBytes) {
  const std::string right = charsmap_bytes();
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = right;
    for (int j = 0; j < 3; ++j) bytes[random() % bytes.size()] = static_cast<char>(random());
    const json description = {{"type", "Precompiled"}, {"precompiled_charsmap", base64(bytes)}};
    try {
      const std::string text = normalized(description, "e\u0301 \ufb01\uff11q\u0301\u2026\u00a0x");
      EXPECT_FALSE(invalid_utf8(text));
    } catch (const std::invalid_argument& error) {
      EXPECT_THAT(error.what(), StartsWith("corrupt precompiled_charsmap: "));
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(Precompiled, ReplacesWhatTheCharsmapSays) {
  EXPECT_EQ(precompiled("\ufb01ne \uff21\u3000e\u0301\u200b."), "fine A \u00e9.");
  EXPECT_EQ(precompiled("\r\n"), " ");  // one cluster
  EXPECT_EQ(precompiled(""), "");
}

// The shortest string wins and takes its cluster with it, as in the `tokenizers` library; long
// clusters are read by character.
TEST(Precompiled, ReplacesWholeClusters) {
  EXPECT_EQ(precompiled("q\u0301"), "k");
  EXPECT_EQ(precompiled("q\u0301\u0301\u0301"), "k\u0301\u0301\u0301");
}

TEST(Precompiled, RefusesWhatIsNotBase64) {
  for (const std::string text : {"a", "ab=c", "a===", "ab\ncd==="}) {
    EXPECT_EQ(error_of([&] { bytes_of_base64(text); }), "not base64") << text;
  }
  EXPECT_EQ(bytes_of_base64("YWI="), "ab");
  EXPECT_EQ(bytes_of_base64("YQ=="), "a");
  EXPECT_EQ(bytes_of_base64("YWJj"), "abc");
  EXPECT_EQ(bytes_of_base64(""), "");
}

}  // namespace
}  // namespace envs
