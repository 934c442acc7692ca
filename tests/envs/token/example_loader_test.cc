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

std::vector<std::string> prompts(const std::vector<Example>& batch) {
  std::vector<std::string> result;
  for (const Example& example : batch) result.push_back(Letters().decode(example.prompt, true));
  return result;
}

std::vector<std::string> prompts(ExampleLoader& loader, int batches) {
  std::vector<std::string> result;
  for (int i = 0; i < batches; ++i) {
    for (const std::string& prompt : prompts(loader.next())) result.push_back(prompt);
  }
  return result;
}

TEST(ExampleLoader, ShowsEveryExampleOncePerEpoch) {
  const TemporaryFolder folder;
  ExampleLoader loader(hundred(folder), {.batch_size = 20});
  const auto first = prompts(loader, 5);
  const auto second = prompts(loader, 5);
  EXPECT_EQ(std::set(first.begin(), first.end()).size(), 100);
  EXPECT_EQ(std::set(second.begin(), second.end()).size(), 100);
  EXPECT_NE(first, second);
}

TEST(ExampleLoader, RunsAcrossTheEndOfAnEpoch) {
  const TemporaryFolder folder;
  const auto examples = hundred(folder);
  ExampleLoader sevens(examples, {.batch_size = 7});
  ExampleLoader tens(examples, {.batch_size = 10});
  EXPECT_EQ(prompts(sevens, 30), prompts(tens, 21));  // 210 examples, however they are cut
}

TEST(ExampleLoader, MayHoldBatchesLargerThanAnEpoch) {
  const TemporaryFolder folder;
  ExampleLoader loader(hundred(folder), {.batch_size = 250, .batches_ahead = 1});
  EXPECT_EQ(loader.next().size(), 250);
}

TEST(ExampleLoader, DoesNotDependOnThreadsOrReadAhead) {
  const TemporaryFolder folder;
  const auto examples = hundred(folder);
  ExampleLoader one(examples, {.batch_size = 8, .batches_ahead = 1, .max_threads = 1});
  ExampleLoader many(examples, {.batch_size = 8, .batches_ahead = 9, .max_threads = 4});
  EXPECT_EQ(prompts(one, 40), prompts(many, 40));
}

TEST(ExampleLoader, DependsOnTheSeed) {
  const TemporaryFolder folder;
  const auto examples = hundred(folder);
  ExampleLoader a(examples, {.seed = 1});
  ExampleLoader b(examples, {.seed = 2});
  EXPECT_NE(prompts(a, 4), prompts(b, 4));
}

TEST(ExampleLoader, ContinuesExactlyFromASavedPosition) {
  const TemporaryFolder folder;
  const auto examples = hundred(folder);
  ExampleLoader loader(examples, {.batch_size = 8, .seed = 3});
  prompts(loader, 17);
  EXPECT_EQ(loader.position(), 17 * 8);
  ExampleLoader resumed(examples, {.batch_size = 8, .seed = 3});
  resumed.seek(loader.position());
  EXPECT_EQ(prompts(loader, 20), prompts(resumed, 20));
  resumed.seek(0);
  EXPECT_EQ(resumed.position(), 0);
  ExampleLoader fresh(examples, {.batch_size = 8, .seed = 3});
  EXPECT_EQ(prompts(resumed, 3), prompts(fresh, 3));
}

TEST(ExampleLoader, HandsErrorsToItsCaller) {
  const TemporaryFolder folder;
  ExampleLoader loader(hundred(folder, /*bad=*/150), {.batch_size = 10});
  std::string error = "no error";
  int64_t position = 0;
  for (int i = 0; i < 10 && error == "no error"; ++i) {
    position = loader.position();
    error = error_of([&] { loader.next(); });
  }
  EXPECT_THAT(error, HasSubstr("a.jsonl:51: letters does not like \"!\""));
  EXPECT_EQ(loader.position(), position);
  EXPECT_EQ(error_of([&] { loader.next(); }), error);  // the same batch again
  loader.seek(position + 10);
  EXPECT_EQ(loader.next().size(), 10);
}

TEST(ExampleLoader, RefusesOptionsOutOfRange) {
  const TemporaryFolder folder;
  const auto examples = hundred(folder);
  EXPECT_EQ(error_of([&] { ExampleLoader(examples, {.batch_size = 0}); }),
            "batch_size and batches_ahead need at least 1, found 0 and 4");
  ExampleLoader loader(examples, {});
  EXPECT_EQ(error_of([&] { loader.seek(-1); }), "a position needs at least 0, found -1");
}

}  // namespace
}  // namespace envs
