#include "envs/token/example_loader.h"

#include <set>

#include "tests/envs/token/fixtures.h"
#include "tests/envs/token/letters.h"

namespace envs {
namespace {

using testing::HasSubstr;

std::shared_ptr<const Examples> hundred(const TemporaryFolder& folder, int bad = -1) {
  std::string text;
  for (int i = 100; i < 200; ++i) {
    const std::string name = std::to_string(i);
    text += R"({"prompt": ")" + name + R"(", "response": ")" + (i == bad ? "!" : name) + "\"}\n";
  }
  return std::make_shared<const Examples>(ExampleOptions{.files = {folder.write("a.jsonl", text)}},
                                          std::make_shared<Letters>());
}

std::string prompt_at(ExampleLoader& loader, int64_t position) {
  return Letters().decode(loader.at(position).prompt, true);
}

std::vector<std::string> prompts(ExampleLoader& loader, int64_t begin, int64_t count) {
  std::vector<std::string> result;
  for (int64_t p = begin; p < begin + count; ++p) result.push_back(prompt_at(loader, p));
  return result;
}

TEST(ExampleLoader, ShowsEveryExampleOncePerEpoch) {
  const TemporaryFolder folder;
  ExampleLoader loader(hundred(folder), {});
  const auto first = prompts(loader, 0, 100);
  const auto second = prompts(loader, 100, 100);
  EXPECT_EQ(std::set(first.begin(), first.end()).size(), 100);
  EXPECT_EQ(std::set(second.begin(), second.end()).size(), 100);
  EXPECT_NE(first, second);
}

TEST(ExampleLoader, DoesNotDependOnThreadsOrReadAhead) {
  const TemporaryFolder folder;
  const auto examples = hundred(folder);
  ExampleLoader one(examples, {.ahead = 1, .max_threads = 1});
  ExampleLoader many(examples, {.ahead = 300, .max_threads = 4});
  EXPECT_EQ(prompts(one, 0, 320), prompts(many, 0, 320));
}

TEST(ExampleLoader, DependsOnTheSeed) {
  const TemporaryFolder folder;
  const auto examples = hundred(folder);
  ExampleLoader a(examples, {.seed = 1}), b(examples, {.seed = 2});
  EXPECT_NE(prompts(a, 0, 32), prompts(b, 0, 32));
}

TEST(ExampleLoader, GivesTheSameAtAPositionWhateverWasReadBefore) {
  const TemporaryFolder folder;
  const auto examples = hundred(folder);
  ExampleLoader loader(examples, {.ahead = 8, .seed = 3});
  const auto whole = prompts(loader, 0, 250);
  ExampleLoader resumed(examples, {.ahead = 8, .seed = 3});
  EXPECT_EQ(prompt_at(resumed, 136), whole[136]);
  EXPECT_EQ(prompt_at(resumed, 3), whole[3]);  // back
  EXPECT_EQ(prompt_at(resumed, 249), whole[249]);
  EXPECT_EQ(prompt_at(resumed, 251 - 2), whole[249]);
}

TEST(ExampleLoader, HandsErrorsToItsCaller) {
  const TemporaryFolder folder;
  ExampleLoader loader(hundred(folder, /*bad=*/150), {});
  int errors = 0;
  for (int64_t p = 0; p < 100; ++p) {
    const std::string error = error_of([&] { loader.at(p); });
    if (error == "no error") continue;
    ++errors;
    EXPECT_THAT(error, HasSubstr("a.jsonl:51: letters does not like \"!\""));
  }
  EXPECT_EQ(errors, 1);
}

TEST(ExampleLoader, RefusesWhatIsOutOfRange) {
  const TemporaryFolder folder;
  const auto examples = hundred(folder);
  EXPECT_EQ(error_of([&] { ExampleLoader(examples, {.ahead = 0}); }),
            "ahead needs at least 1, found 0");
  ExampleLoader loader(examples, {});
  EXPECT_EQ(error_of([&] { loader.at(-1); }), "a position needs at least 0, found -1");
}

}  // namespace
}  // namespace envs
