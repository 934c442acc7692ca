#include "envs/token/examples.h"

#include <set>

#include "tests/envs/token/fixtures.h"
#include "tests/envs/token/letters.h"

namespace envs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const auto letters = std::make_shared<const Letters>();

// "prompt|response" with "$" for EOS.
std::vector<std::string> shown(const Examples& examples) {
  std::vector<std::string> result;
  for (int64_t i = 0; i < examples.size(); ++i) {
    const Example example = examples.at(i);
    result.push_back(letters->decode(example.prompt, false) + "|" +
                     letters->decode(example.response, false));
  }
  return result;
}

std::string opening_error(const ExampleOptions& options) {
  return error_of([&] { Examples(options, letters); });
}

TEST(Examples, EndAnAnswerWithEos) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.jsonl",
                                        "{\"prompt\": \"ab\", \"response\": \"cd\"}\n\n"
                                        "{\"prompt\": \"e\", \"response\": \"\"}\n");
  const Examples examples({.files = {file}}, letters);
  EXPECT_THAT(shown(examples), ElementsAre("ab|cd$", "e|$"));
  EXPECT_TRUE(examples.at(0).ended);
  EXPECT_EQ(examples.at(1).where, file + ":3");
  EXPECT_EQ(examples.report().examples, 2);
}

TEST(Examples, CutALongAnswerWithoutEndingIt) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.jsonl",
                                        "{\"prompt\": \"a\", \"response\": \"bcd\"}\n"
                                        "{\"prompt\": \"a\", \"response\": \"bc\"}\n");
  const Examples examples({.files = {file}, .max_response_tokens = 3}, letters);
  EXPECT_THAT(shown(examples), ElementsAre("a|bcd", "a|bc$"));
  EXPECT_FALSE(examples.at(0).ended);
  EXPECT_TRUE(examples.at(1).ended);
}

TEST(Examples, PutBosBeforeThePromptOnly) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.jsonl", R"({"prompt": "a", "response": "b"})");
  const Example example = Examples({.files = {file}}, std::make_shared<Letters>(true)).at(0);
  EXPECT_THAT(example.prompt, ElementsAre(0, 'a'));
  EXPECT_THAT(example.response, ElementsAre('b', 1));
}

TEST(Examples, MayBePromptsOnly) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.jsonl", R"({"prompt": "a"})");
  const Examples examples({.files = {file}, .needs_response = false}, letters);
  EXPECT_THAT(shown(examples), ElementsAre("a|"));
  EXPECT_FALSE(examples.at(0).ended);
  EXPECT_EQ(opening_error({.files = {file}}), file + ":1: no key \"response\"");
}

TEST(Examples, CutATextIntoWindows) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.txt", "abcdefghij\n\nklm\n\nno\n\npqrs");
  const Examples examples(
      {.files = {file}, .separator = "\n\n", .prompt_tokens = 2, .response_tokens = 2}, letters);
  EXPECT_THAT(shown(examples), ElementsAre("ab|cd", "ef|gh", "ij|$", "kl|m$", "no|$", "pq|rs"));
  EXPECT_FALSE(examples.at(0).ended);
  EXPECT_TRUE(examples.at(2).ended);
  EXPECT_EQ(examples.at(3).where, file + ":3");
}

TEST(Examples, KeepShortDocumentsByCuttingInProportion) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.txt", "abcde");
  const Examples examples({.files = {file}, .prompt_tokens = 8, .response_tokens = 8}, letters);
  EXPECT_THAT(shown(examples), ElementsAre("abc|de$"));
}

TEST(Examples, ReadSeveralFilesInOrder) {
  const TemporaryFolder folder;
  folder.write("b.txt", "cd");
  folder.write("a.txt", "ab");
  const std::string records = folder.write("c.jsonl", R"({"prompt": "x", "response": "y"})");
  const Examples examples(
      {.files = {folder.path("*.txt"), records}, .prompt_tokens = 1, .response_tokens = 2},
      letters);
  EXPECT_THAT(shown(examples), ElementsAre("a|b$", "c|d$", "x|y$"));
}

// A document of n bytes in lines "document 17"; the text decides the side, not its place.
std::set<std::string> prompts_of(const std::string& file, Part part) {
  const Examples examples({.files = {file},
                           .separator = "\n",
                           .prompt_tokens = 12,
                           .response_tokens = 1,
                           .part = part,
                           .validation_fraction = 0.25},
                          letters);
  std::set<std::string> prompts;
  for (int64_t i = 0; i < examples.size(); ++i) {
    prompts.insert(letters->decode(examples.at(i).prompt, false));
  }
  return prompts;
}

TEST(Examples, SplitByTheirTextAlone) {
  const TemporaryFolder folder;
  std::string forward, backward;
  for (int i = 100; i < 500; ++i) {
    const std::string document = "document " + std::to_string(i) + "\n";
    forward += document;
    backward = document + backward;
  }
  const std::string file = folder.write("a.txt", forward);
  const auto training = prompts_of(file, Part::kTraining);
  const auto validation = prompts_of(file, Part::kValidation);
  EXPECT_EQ(training.size() + validation.size(), 400);
  EXPECT_NEAR(static_cast<double>(validation.size()), 100, 30);  // 3.5 standard deviations
  EXPECT_EQ(prompts_of(folder.write("b.txt", backward), Part::kValidation), validation);
  EXPECT_EQ(prompts_of(file, Part::kAll).size(), 400);
}

TEST(Examples, NameFileAndLineOfABadRecord) {
  const TemporaryFolder folder;
  const std::string good = R"({"prompt": "a", "response": "b"})";
  const auto error = [&](const std::string& line) {
    const std::string file = folder.write("a.jsonl", good + "\n" + line + "\n");
    return opening_error({.files = {file}}).substr(file.size());
  };
  EXPECT_EQ(error("{"), ":2: malformed JSON");
  EXPECT_EQ(error("{\"prompt\": \"\xC3(\"}"), ":2: record: invalid UTF-8 at byte 12");
  EXPECT_EQ(error(R"({"response": "b"})"), ":2: no key \"prompt\"");
  EXPECT_EQ(error(R"({"prompt": "a", "response": 3})"),
            ":2: \"response\": expected a string, found number");
  EXPECT_EQ(error(R"({"prompt": "", "response": "b"})"), ":2: the prompt is empty");
}

TEST(Examples, NameFileAndLineOfADocumentThatIsNoText) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.txt", "ab\n\nc\xff");
  EXPECT_EQ(opening_error({.files = {file}, .separator = "\n\n"}),
            file + ":3: document: invalid UTF-8 at byte 1");
}

TEST(Examples, CountWhatTheySkip) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.jsonl",
                                        "{\n{\"prompt\": \"\", \"response\": \"b\"}\n"
                                        "{\"prompt\": \"abcd\", \"response\": \"b\"}\n"
                                        "{\"prompt\": \"a\", \"response\": \"b\"}\n");
  const Examples examples({.files = {file},
                           .max_prompt_tokens = 3,
                           .on_error = OnError::kSkip,
                           .empty_prompt = OnError::kSkip,
                           .long_prompt = LongPrompt::kSkip},
                          letters);
  EXPECT_THAT(shown(examples), ElementsAre("a|b$"));
  EXPECT_EQ(examples.report().malformed, 1);
  EXPECT_EQ(examples.report().empty_prompts, 1);
  EXPECT_EQ(examples.report().long_prompts, 1);
  EXPECT_THAT(examples.report().problems,
              ElementsAre(file + ":1: malformed JSON", file + ":2: the prompt is empty",
                          file + ":3: the prompt has 4 tokens, more than 3"));
}

TEST(Examples, KeepTheEndOfALongPrompt) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.jsonl", R"({"prompt": "abcd", "response": "e"})");
  const Examples examples(
      {.files = {file}, .max_prompt_tokens = 3, .long_prompt = LongPrompt::kTruncateLeft}, letters);
  EXPECT_THAT(shown(examples), ElementsAre("bcd|e$"));
  EXPECT_EQ(examples.report().truncated_prompts, 1);
  EXPECT_EQ(opening_error({.files = {file}, .max_prompt_tokens = 3}),
            file + ":1: the prompt has 4 tokens, more than 3");
}

TEST(Examples, RefuseToBeEmpty) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.jsonl", "{\n");
  EXPECT_EQ(opening_error({.files = {file}, .on_error = OnError::kSkip}),
            "no examples in 1 files; " + file + ":1: malformed JSON");
  EXPECT_EQ(opening_error({.files = {}}), "no examples in 0 files");
}

TEST(Examples, RefuseOptionsOutOfRange) {
  EXPECT_EQ(opening_error({.prompt_tokens = 0}), "prompt_tokens needs at least 1, found 0");
  EXPECT_EQ(opening_error({.response_tokens = 0}), "response_tokens needs at least 1, found 0");
  EXPECT_EQ(opening_error({.max_prompt_tokens = 0}), "max_prompt_tokens needs at least 1, found 0");
  EXPECT_EQ(opening_error({.max_response_tokens = -1}),
            "max_response_tokens needs at least 1, found -1");
  EXPECT_THAT(opening_error({.validation_fraction = 1.5}),
              HasSubstr("validation_fraction needs 0 <= fraction <= 1, found 1.5"));
}

TEST(Examples, RefuseATokenizerWithoutEos) {
  auto tokenizer = std::make_shared<Letters>();
  tokenizer->set_special_ids({});
  EXPECT_EQ(error_of([&] { Examples({}, tokenizer); }),
            "the tokenizer names no EOS token, which ends every answer");
}

TEST(Examples, RefuseAnIndexOutOfRange) {
  const TemporaryFolder folder;
  const Examples examples({.files = {folder.write("a.txt", "ab")}}, letters);
  EXPECT_EQ(error_of([&] { examples.at(1); }), "example 1 of 1");
  EXPECT_EQ(error_of([&] { examples.at(-1); }), "example -1 of 1");
}

TEST(Examples, NameAFileThatIsNotThere) {
  EXPECT_EQ(opening_error({.files = {"/nowhere.jsonl"}}), "/nowhere.jsonl: no such file");
}

TEST(FirstExamples, AreTheFirst) {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.txt", "abcdefgh");
  const Examples examples({.files = {file}, .prompt_tokens = 1, .response_tokens = 1}, letters);
  const std::vector<Example> first = first_examples(examples, 2);
  ASSERT_EQ(first.size(), 2);
  EXPECT_THAT(first[1].prompt, ElementsAre('c'));
  EXPECT_EQ(first_examples(examples, 100).size(), 4);  // EOS alone is no example
}

}  // namespace
}  // namespace envs
