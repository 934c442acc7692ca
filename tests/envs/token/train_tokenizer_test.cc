#include "envs/token/train_tokenizer.h"

#include "envs/token/text_file.h"
#include "envs/token/tokenizer.h"
#include "tests/envs/token/fixtures.h"

namespace envs {
namespace {

using testing::HasSubstr;

// Source code with tabs, indentation, blank lines and a few characters beyond ASCII.
std::string code() {
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += "  template<typename _Tp>\n    struct value_" + std::to_string(i) +
            " : public base<_Tp>\n\t{\n\t  int first = " + std::to_string(i * i) +
            ";\t// größer\n\n\t};\n\n";
  }
  return text;
}

// Texts that a careless tokenizer changes.
const std::vector<std::string> kDifficult = {"",
                                             " ",
                                             "  ",
                                             "\n",
                                             "\t\t\tx",
                                             "   leading and trailing   ",
                                             "a\r\nb\r\n\n\n\nc",
                                             "\u2581 \u2581",
                                             "a\u2581b",
                                             "日本語 🚀 e\u0301",
                                             std::string("nul\0inside", 10),
                                             "        ////////////////////",
                                             "x\u00A0y\u3000z",
                                             "<0x41>",
                                             "the the  the   the    the     the"};

TEST(TrainTokenizer, PreservesEveryText) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.cc", code());
  train_tokenizer({.files = {file}, .vocabulary_size = 500}, folder.path("out"));
  const auto tokenizer = load_tokenizer(folder.path("out"));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode(code(), true), true), code());
  for (const std::string& text : kDifficult) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, true), true), text);
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, false), false), text);
  }
}

TEST(TrainTokenizer, WritesTwoFilesThatAgree) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.cc", code());
  train_tokenizer({.files = {file}, .vocabulary_size = 600}, folder.path("out"));
  const auto json = load_tokenizer(folder.path("out/tokenizer.json"));
  const auto model = load_tokenizer(folder.path("out/tokenizer.model"));
  EXPECT_EQ(vocabulary_difference(*json, *model), std::nullopt);
  EXPECT_EQ(json->encode(code(), true), model->encode(code(), true));
  for (const std::string& text : kDifficult) {
    EXPECT_EQ(json->encode(text, true), model->encode(text, true));
  }
  EXPECT_EQ(model->bos_id(), 1);
  EXPECT_EQ(model->eos_id(), 2);
  EXPECT_EQ(model->pad_id(), std::nullopt);
}

TEST(TrainTokenizer, HasTheSizeThatWasAskedFor) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.cc", code());
  EXPECT_EQ(train_tokenizer({.files = {file}, .vocabulary_size = 340}, folder.path("out")), 340);
  const auto tokenizer = load_tokenizer(folder.path("out"));
  EXPECT_EQ(tokenizer->size(), 340);
  EXPECT_EQ(tokenizer->token(0), "<unk>");
  EXPECT_EQ(tokenizer->token(1), "<s>");
  EXPECT_EQ(tokenizer->token(2), "</s>");
  EXPECT_EQ(tokenizer->token(3), "<0x00>");
  EXPECT_EQ(tokenizer->token(258), "<0xFF>");
  EXPECT_LT(tokenizer->encode(code(), false).size(), code().size());
}

TEST(TrainTokenizer, StopsWhereNoPairOccursTwice) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.txt", "abc abc");
  // a, b, c and the blank; ab and abc
  EXPECT_EQ(train_tokenizer({.files = {file}, .character_coverage = 1}, folder.path("out")),
            259 + 4 + 2);
}

TEST(TrainTokenizer, IsDeterministic) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.cc", code());
  train_tokenizer({.files = {file}, .vocabulary_size = 500}, folder.path("a"));
  train_tokenizer({.files = {file}, .vocabulary_size = 500}, folder.path("b"));
  for (const std::string name : {"tokenizer.json", "tokenizer.model", "tokenizer_config.json"}) {
    EXPECT_EQ(read_file(folder.path("a/" + name)), read_file(folder.path("b/" + name)));
  }
}

TEST(TrainTokenizer, RefusesOptionsOutOfRange) {
  const auto error = [](const TrainTokenizerOptions& options) {
    return error_of([&] { train_tokenizer(options, "/nowhere"); });
  };
  EXPECT_EQ(error({.vocabulary_size = 259}), "vocabulary_size needs more than 259, found 259");
  EXPECT_THAT(error({.character_coverage = 0}),
              HasSubstr("character_coverage needs 0 < coverage <= 1, found 0"));
  EXPECT_EQ(error({.longest_piece = 0}), "longest_piece needs at least 1, found 0");
  EXPECT_EQ(error({.files = {"/nowhere.txt"}}), "/nowhere.txt: no such file");
}

TEST(TrainTokenizer, NamesAFileThatIsNoText) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.txt", "ab\xff");
  EXPECT_EQ(error_of([&] { train_tokenizer({.files = {file}}, folder.path("out")); }),
            file + ": invalid UTF-8 at byte 2");
  const std::string empty = folder.write("b.txt", "");
  EXPECT_EQ(error_of([&] { train_tokenizer({.files = {empty}}, folder.path("out")); }),
            "there is no text to learn a tokenizer from");
}

}  // namespace
}  // namespace envs
