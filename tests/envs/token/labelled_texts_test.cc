#include "envs/token/labelled_texts.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "envs/token/label_source.h"
#include "rl/torch.h"

namespace envs {
namespace {

using testing::HasSubstr;

class LabelledTexts : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& content) const {
    const std::string path = testing::TempDir() + "/" + std::to_string(getpid()) + "_" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  void expect_refusal(const LabelledOptions& options, const std::string& message) const {
    try {
      read_labelled(options);
      FAIL() << "no error; expected " << message;
    } catch (const std::invalid_argument& error) {
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  }
};

TEST_F(LabelledTexts, ReadColumnsByNumber) {
  const std::string path = write("plain.tsv", "a fine film\t1\n\na dull one\t0");
  const auto found = read_labelled({{path}, {"1"}, "2", {"0", "1"}});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].text, "a fine film");
  EXPECT_EQ(found[0].label, 1);
  EXPECT_EQ(found[1].where, path + ":3");
}

TEST_F(LabelledTexts, ReadColumnsByTheirNames) {
  const std::string path =
      write("named.tsv", "index\tpremise\thypothesis\tlabel\n0\tit rains\tit is wet\tyes\n");
  const auto found = read_labelled({{path}, {"premise", "hypothesis"}, "label", {"no", "yes"}});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].text, "it rains it is wet");
  EXPECT_EQ(found[0].label, 1);
}

TEST_F(LabelledTexts, ReadObjects) {
  const std::string path = write("task.jsonl", R"({"q": "is it", "p": "it is", "label": true}
{"q": "why", "p": "so", "label": false})");
  const auto found = read_labelled({{path}, {"p", "q"}, "label", {"false", "true"}});
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].text, "it is is it");
  EXPECT_EQ(found[0].label, 1);
  EXPECT_EQ(found[1].label, 0);
}

TEST_F(LabelledTexts, NameFileAndLineOfWhatIsWrong) {
  const std::string path = write("wrong.tsv", "good\t1\nbad\t2\n");
  expect_refusal({{path}, {"1"}, "2", {"0", "1"}}, path + ":2: unknown label \"2\"; known: 0, 1");
  expect_refusal({{path}, {"1"}, "3", {"0", "1"}}, path + ":1: no column \"3\"; there are 2");
  const std::string named = write("header.tsv", "text\tlabel\ngood\t1\n");
  expect_refusal({{named}, {"sentence"}, "label", {"0", "1"}},
                 named + ":2: no column \"sentence\"; there are text, label");
  const std::string json = write(
      "wrong.jsonl", "{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": \"\", \"label\": \"x\"}\n");
  expect_refusal({{json}, {"text"}, "label", {"x"}}, json + ":2: the text is empty");
  expect_refusal({{json}, {"sentence"}, "label", {"x"}}, json + ":1: no key \"sentence\"");
}

TEST_F(LabelledTexts, RefuseAFileWithoutAny) {
  const std::string path = write("empty.tsv", "\n");
  expect_refusal({{path}, {"1"}, "2", {"0"}}, path + ": holds no labelled text");
}

TEST(LabelSource, ShowsEveryTextOnceInAnEpochWhateverTheBatch) {
  std::vector<LabelledIds> texts;
  for (int64_t i = 0; i < 6; ++i) texts.push_back({{i, i}, i % 2});
  LabelSource whole(texts, 3, 7), halves(texts, 3, 7);
  const rl::Trajectory both = whole.collect(torch::arange(2), 0);
  const auto [items, order] = both.notes.at("item").flatten().sort();
  EXPECT_TRUE(items.equal(torch::arange(6)));
  EXPECT_TRUE(halves.collect(torch::arange(1, 2), 0).observation[0].equal(both.observation[1]));
  both.validate();
}

TEST(LabelSource, PadsWithMinusOne) {
  const rl::Trajectory rows = rows_of({{{5}, 1}, {{6, 7}, 0}});
  EXPECT_TRUE(rows.observation.squeeze(1).equal(torch::tensor({{5, -1}, {6, 7}}, torch::kInt64)));
  EXPECT_TRUE(rows.action.squeeze(1).equal(torch::tensor({1, 0}, torch::kInt64)));
}

TEST(LabelSource, RefusesATextWithoutTokens) {
  EXPECT_THROW(LabelSource({{{}, 0}}, 1, 1), std::invalid_argument);
}

}  // namespace
}  // namespace envs
