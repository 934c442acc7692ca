#include "distill/build_order.h"

#include <gmock/gmock.h>

#include "tests/distill/expect_error.h"

namespace distill {
namespace {

TEST(BuildOrder, PutsWhatIsNeededFirstAndElseKeepsTheOrder) {
  EXPECT_THAT(build_order({{"c", {"b"}, {}}, {"a", {}, {}}, {"b", {"d"}, {}}, {"d", {}, {}}}),
              testing::ElementsAre("d", "b", "c", "a"));
  EXPECT_THAT(build_order({{"a", {}, {}}, {"b", {}, {}}, {"c", {"a", "b"}, {}}}),
              testing::ElementsAre("a", "b", "c"));
}

TEST(BuildOrder, NamesTheMembersOfACycle) {
  const Mark mark{"run.yaml", 7, 3};
  expect_error(
      [&] {
        build_order({{"a", {}, {}}, {"b", {"a", "d"}, mark}, {"c", {"b"}, {}}, {"d", {"c"}, {}}});
      },
      "run.yaml:7:3: stages need each other: b -> d -> c -> b");
  expect_error(
      [&] {
        build_order({{"a", {"a"}, mark}});
      },
      "run.yaml:7:3: stages need each other: a -> a");
}

TEST(BuildOrder, NamesAnUnknownNeedAndTheNearest) {
  expect_error(
      [] {
        build_order({{"teach", {}, {}}, {"b", {"teech"}, {"run.yaml", 4, 3}}});
      },
      "run.yaml:4:3: stage \"b\" needs unknown stage \"teech\"; did you mean \"teach\"? "
      "known: teach, b");
}

}  // namespace
}  // namespace distill
