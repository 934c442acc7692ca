#include "distill/porter_stemmer.h"

#include <gtest/gtest.h>

#include "tests/support/jsonl.h"

namespace distill {
namespace {

TEST(PorterStem, MatchesTheReferenceImplementation) {
  const auto rows = testing_support::read_jsonl("metrics/porter.jsonl");
  ASSERT_GT(rows.size(), 400U);
  for (const auto& row : rows) {
    EXPECT_EQ(porter_stem(row.at("word").get<std::string>()), row.at("stem").get<std::string>());
  }
}

TEST(PorterStem, LeavesTheShortestWordsAlone) {
  EXPECT_EQ(porter_stem(""), "");
  EXPECT_EQ(porter_stem("s"), "s");
  EXPECT_EQ(porter_stem("is"), "is");
}

TEST(PorterStem, TakesTheIrregularFromATable) {
  EXPECT_EQ(porter_stem("skies"), "sky");
  EXPECT_EQ(porter_stem("cannings"), "canning");
  EXPECT_EQ(porter_stem("lying"), "lie");
}

}  // namespace
}  // namespace distill
