// .model files against what the sentencepiece library makes of difficult strings.

#include <algorithm>

#include "envs/token/sentencepiece_model.h"
#include "envs/token/tokenizer.h"
#include "tests/envs/token/fixtures.h"

namespace envs {
namespace {

using Ids = std::vector<int64_t>;
using testing::ElementsAre;

struct Case {
  std::string folder;
  std::string model;  // below the shared data; "" for the one in the folder
};

class SentencePieceFixture : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const std::string& model = GetParam().model;
    const std::string path = model.empty() ? folder : shared_data(model);
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not here";
    tokenizer = load_tokenizer(path);
  }

  std::string folder = fixture("tokenizers/" + GetParam().folder);
  std::shared_ptr<const Tokenizer> tokenizer;
};

TEST_P(SentencePieceFixture, EncodesEveryLine) {
  for (const auto& row : read_json_lines(folder + "/encode.jsonl")) {
    const std::string text = row.at("text");
    EXPECT_EQ(tokenizer->encode(text, false), row.at("ids").get<Ids>()) << row.at("text");
  }
}

TEST_P(SentencePieceFixture, DecodesEveryLine) {
  for (const std::string name : {"/encode.jsonl", "/decode.jsonl"}) {
    for (const auto& row : read_json_lines(folder + name)) {
      const Ids ids = row.at("ids");
      EXPECT_EQ(tokenizer->decode(ids, true), row.at("decoded").get<std::string>()) << row;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    SentencePiece, SentencePieceFixture,
    testing::Values(Case{"sentencepiece-unigram", ""}, Case{"sentencepiece-unigram-bytes", ""},
                    Case{"sentencepiece-bpe", ""},
                    Case{"sentencepiece-test-model", "tokenizer-spm/test_model.model"}),
    [](const auto& test) {
      std::string name = test.param.folder;
      std::ranges::replace(name, '-', '_');
      return name;
    });

TEST(SentencePiece, BytesMakeEveryTextSurvive) {
  const auto tokenizer = load_tokenizer(fixture("tokenizers/sentencepiece-unigram-bytes"));
  for (const std::string text : {"", " ", "  a\tb\r\n\n ", "\u65e5\u672c\U0001F600x\u0301"}) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, true), true), text);
  }
}

TEST(SentencePiece, FindsControlPiecesAsAddedTokensOnly) {
  SentencePieceModel model;
  model.pieces = {{"<unk>", 0, SentencePieceModel::kUnknown},
                  {"</s>", 0, SentencePieceModel::kControl},
                  {"a", -1},
                  {"<0x41>", 0, SentencePieceModel::kByte},
                  {"aa", -1, SentencePieceModel::kUnused}};
  model.add_dummy_prefix = false;
  const TemporaryFolder folder;
  const auto tokenizer = load_tokenizer(folder.write("a.model", serialize(model)));
  EXPECT_THAT(tokenizer->encode("aa</s>a", false), ElementsAre(2, 2, 1, 2));
  EXPECT_THAT(tokenizer->encode("<0x41>", false), ElementsAre(0));
}

TEST(SentencePiece, RefusesAModelWhoseCharsmapIsCorrupt) {
  SentencePieceModel model;
  model.pieces = {{"<unk>", 0, SentencePieceModel::kUnknown}, {"a", -1}};
  model.precompiled_charsmap = "map";
  for (const auto kind : {SentencePieceModel::kUnigram, SentencePieceModel::kBpe}) {
    model.kind = kind;
    const TemporaryFolder folder;
    const std::string path = folder.write("a.model", serialize(model));
    EXPECT_EQ(error_of([&] { load_tokenizer(path); }),
              path + ": corrupt precompiled_charsmap: no length");
  }
}

}  // namespace
}  // namespace envs
