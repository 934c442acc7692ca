#include "envs/token/tokenizer.h"

#include <thread>

#include "tests/envs/token/fixtures.h"

namespace envs {
namespace {

using Ids = std::vector<int64_t>;

// Every tokenizer of the fixtures, against what the `tokenizers` library makes of difficult strings.
class TokenizerFixture : public testing::TestWithParam<std::string> {
 protected:
  std::string folder = fixture("tokenizers/" + GetParam());
  std::shared_ptr<const Tokenizer> tokenizer = load_tokenizer(folder);
};

TEST_P(TokenizerFixture, EncodesEveryLine) {
  for (const auto& row : read_json_lines(folder + "/encode.jsonl")) {
    const std::string text = row.at("text");
    EXPECT_EQ(tokenizer->encode(text, true), row.at("ids").get<Ids>()) << row.at("text");
    EXPECT_EQ(tokenizer->encode(text, false), row.at("ids_no_special").get<Ids>())
        << row.at("text");
  }
}

TEST_P(TokenizerFixture, DecodesWhatItEncoded) {
  for (const auto& row : read_json_lines(folder + "/encode.jsonl")) {
    const Ids ids = row.at("ids");
    EXPECT_EQ(tokenizer->decode(ids, false), row.at("decoded").get<std::string>());
    EXPECT_EQ(tokenizer->decode(ids, true), row.at("decoded_skip_special").get<std::string>());
  }
}

TEST_P(TokenizerFixture, DecodesArbitraryIds) {
  for (const auto& row : read_json_lines(folder + "/decode.jsonl")) {
    const Ids ids = row.at("ids");
    EXPECT_EQ(tokenizer->decode(ids, false), row.at("decoded").get<std::string>());
    EXPECT_EQ(tokenizer->decode(ids, true), row.at("decoded_skip_special").get<std::string>());
  }
}

TEST_P(TokenizerFixture, GivesTheSameIdsOnEveryThread) {
  const auto rows = read_json_lines(folder + "/encode.jsonl");
  const auto encode_all = [&](std::vector<Ids>& all) {
    for (const auto& row : rows)
      all.push_back(tokenizer->encode(row.at("text").get<std::string>(), true));
  };
  std::vector<std::vector<Ids>> results(4);
  {
    std::vector<std::jthread> threads;
    for (auto& result : results) threads.emplace_back(encode_all, std::ref(result));
  }
  for (const auto& result : results) EXPECT_EQ(result, results[0]);
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, TokenizerFixture,
                         testing::Values("gpt2-bbpe", "llama2-bpe", "llama2-bpe-metaspace",
                                         "llama3-bbpe", "qwen2-bbpe"));

}  // namespace
}  // namespace envs
