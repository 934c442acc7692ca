#include "distill/rouge.h"

#include <gmock/gmock.h>
#include <utf8proc.h>

#include "tests/support/jsonl.h"

namespace distill {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The reference computes in float64 in the same order; this is its stated tolerance.
constexpr double kTolerance = 1e-12;

std::string utf8(utf8proc_int32_t code_point) {
  utf8proc_uint8_t bytes[4];
  const utf8proc_ssize_t size = utf8proc_encode_char(code_point, bytes);
  return {bytes, bytes + size};
}

void expect_matches_reference(WordForm form, const std::string& key) {
  const auto rows = testing_support::read_jsonl("metrics/rouge_l.jsonl");
  ASSERT_EQ(rows.size(), 60U);
  for (const auto& row : rows) {
    const auto prediction = row.at("prediction").get<std::string>();
    const auto references = row.at("references").get<std::vector<std::string>>();
    const auto& expected = row.at(key);
    const RougeScore best = rouge_l(prediction, references, form);
    EXPECT_NEAR(best.fmeasure, expected.at("fmeasure").get<double>(), kTolerance) << row;
    EXPECT_NEAR(best.precision, expected.at("precision").get<double>(), kTolerance) << row;
    EXPECT_NEAR(best.recall, expected.at("recall").get<double>(), kTolerance) << row;
    for (size_t i = 0; i < references.size(); ++i) {
      EXPECT_NEAR(rouge_l(prediction, references[i], form).fmeasure,
                  expected.at("per_reference").at(i).get<double>(), kTolerance)
          << row;
    }
  }
}

TEST(RougeL, MatchesTheReferenceImplementation) {
  expect_matches_reference(WordForm::kPlain, "plain");
}

TEST(RougeL, MatchesTheReferenceImplementationWithStems) {
  expect_matches_reference(WordForm::kStem, "stem");
}

// Worked by hand: "the cat" is common to both.
TEST(RougeL, RelatesCommonTokensToBothSides) {
  const RougeScore score = rouge_l("the cat", "the black cat sat", WordForm::kPlain);
  EXPECT_DOUBLE_EQ(score.precision, 1);
  EXPECT_DOUBLE_EQ(score.recall, 0.5);
  EXPECT_DOUBLE_EQ(score.fmeasure, 2.0 / 3);
}

TEST(RougeL, IsZeroForATextWithoutTokens) {
  EXPECT_EQ(rouge_l("", "something", WordForm::kPlain).fmeasure, 0);
  EXPECT_EQ(rouge_l("something", "...", WordForm::kPlain).fmeasure, 0);
}

TEST(RougeL, RefusesAnEmptyListOfReferences) {
  EXPECT_THROW(rouge_l("a", std::vector<std::string>{}, WordForm::kPlain), std::invalid_argument);
}

TEST(RougeTokens, AreRunsOfLettersAndDigits) {
  EXPECT_THAT(rouge_tokens("Don't re-enter 3.5%, Zo\xC3\xAB!", WordForm::kPlain),
              ElementsAre("don", "t", "re", "enter", "3", "5", "zo"));
  EXPECT_THAT(rouge_tokens(" \n", WordForm::kPlain), IsEmpty());
}

TEST(RougeTokens, AreSeparatedByBytesThatAreNoUtf8) {
  EXPECT_THAT(rouge_tokens("a\xFF"
                           "b\xE2\x84",
                           WordForm::kPlain),
              ElementsAre("a", "b"));
}

TEST(RougeTokens, AreStemmedFromFourCharactersOn) {
  EXPECT_THAT(rouge_tokens("gas dogs", WordForm::kStem), ElementsAre("gas", "dog"));
}

// Every character of Unicode, with the lower case of utf8proc's tables as the second opinion. Its
// simple mapping leaves out the combining dot of U+0130, which separates.
TEST(RougeTokens, LowerCaseAllOfUnicode) {
  for (utf8proc_int32_t code_point = 1; code_point <= 0x10FFFF; ++code_point) {
    if (!utf8proc_codepoint_valid(code_point)) continue;
    std::string lower = utf8(utf8proc_tolower(code_point));
    if (code_point == 0x130) lower += "\xCC\x87";
    const std::string text = "a" + utf8(code_point) + "b";
    ASSERT_EQ(rouge_tokens(text, WordForm::kPlain),
              rouge_tokens("a" + lower + "b", WordForm::kPlain))
        << "U+" << std::hex << code_point;
  }
}

}  // namespace
}  // namespace distill
