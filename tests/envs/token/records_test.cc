#include "envs/token/records.h"

#include "tests/envs/token/fixtures.h"

namespace envs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Record parse(const std::string& line, const RecordKeys& keys = {}) {
  return parse_record(line, keys);
}

TEST(Record, HasAPromptAndAResponse) {
  const Record record = parse(R"({"prompt": "2 + 2 =", "response": " 4", "id": 7})");
  EXPECT_EQ(record.prompt, "2 + 2 =");
  EXPECT_EQ(record.response, " 4");
  EXPECT_TRUE(record.has_response);
}

TEST(Record, MayHaveOtherKeys) {
  const Record record = parse(R"({"question": "why", "answer": "so"})",
                              {.prompt = "question", .response = "answer", .messages = "messages"});
  EXPECT_EQ(record.prompt, "why");
  EXPECT_EQ(record.response, "so");
}

TEST(Record, MayLackAResponse) { EXPECT_FALSE(parse(R"({"prompt": "why"})").has_response); }

TEST(Record, TakesTheLastAnswerOfAConversation) {
  const Record record = parse(R"({"messages": [{"role": "system", "content": "Be kind."},
      {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"},
      {"role": "user", "content": "Bye"}, {"role": "assistant", "content": "See you"},
      {"role": "user", "content": "?"}]})");
  EXPECT_EQ(record.prompt,
            "system:\nBe kind.\n\nuser:\nHi\n\nassistant:\nHello\n\nuser:\nBye\n\nassistant:\n");
  EXPECT_EQ(record.response, "See you");
}

TEST(Record, OfAConversationWithoutAnswerIsAPrompt) {
  const Record record = parse(R"({"messages": [{"role": "user", "content": "Hi"}]})");
  EXPECT_EQ(record.prompt, "user:\nHi\n\nassistant:\n");
  EXPECT_FALSE(record.has_response);
}

TEST(Record, RefusesWhatIsNoRecord) {
  const auto error = [](const std::string& line) { return error_of([&] { parse(line); }); };
  EXPECT_EQ(error("{\"prompt\": "), "malformed JSON");
  EXPECT_EQ(error("[1]"), "expected an object, found array");
  EXPECT_EQ(error("{}"), "no key \"prompt\"");
  EXPECT_EQ(error(R"({"prompt": 3})"), "\"prompt\": expected a string, found number");
  EXPECT_EQ(error(R"({"prompt": "a", "response": null})"),
            "\"response\": expected a string, found null");
  EXPECT_EQ(error("{\"prompt\": \"\xff\"}"), "record: invalid UTF-8 at byte 12");
  EXPECT_EQ(error(R"({"messages": "hi"})"),
            "\"messages\": expected a list of messages, found string");
  EXPECT_EQ(error(R"({"messages": []})"),
            "\"messages\": expected a list of messages, found an empty one");
  EXPECT_EQ(error(R"({"messages": [1]})"), "\"messages\": expected objects, found number");
  EXPECT_EQ(error(R"({"messages": [{"role": "user"}]})"), "no key \"content\"");
}

std::vector<std::string> texts(std::string_view text, const std::vector<TextSpan>& spans) {
  std::vector<std::string> result;
  for (const TextSpan& span : spans) {
    result.push_back(std::to_string(span.line) + ":" +
                     std::string(text.substr(span.start, span.length)));
  }
  return result;
}

TEST(Lines, AreCountedAndBlankOnesLeftOut) {
  const std::string text = "a\r\n\n  \nb\n c";
  EXPECT_THAT(texts(text, split_lines(text)), ElementsAre("1:a", "4:b", "5:c"));
}

TEST(Documents, AreCutAtTheSeparatorAndTrimmed) {
  const std::string text = "one\ntwo\n<|endoftext|>\n\nthree\n<|endoftext|>\n";
  EXPECT_THAT(texts(text, split_documents(text, "<|endoftext|>")),
              ElementsAre("1:one\ntwo", "5:three"));
}

TEST(Documents, AreCutAtBlankLines) {
  const std::string text = "a\nb\n\n\nc\n\nd";
  EXPECT_THAT(texts(text, split_documents(text, "\n\n")), ElementsAre("1:a\nb", "5:c", "7:d"));
}

TEST(Documents, WithoutSeparatorAreWholeFiles) {
  EXPECT_THAT(texts(" a\n\nb\n", split_documents(" a\n\nb\n", "")), ElementsAre("1: a\n\nb\n"));
  EXPECT_TRUE(split_documents("", "").empty());
}

TEST(Globs, ExpandInOrder) {
  const TemporaryFolder folder;
  const std::string b = folder.write("b.txt", "b");
  const std::string a = folder.write("a.txt", "a");
  folder.write("c.md", "c");
  EXPECT_THAT(expand_globs({folder.path("*.txt")}), ElementsAre(a, b));
  EXPECT_THAT(expand_globs({b, a}), ElementsAre(b, a));
}

TEST(Globs, NameAPatternThatMatchesNothing) {
  EXPECT_EQ(error_of([] { expand_globs({"/nowhere/*.txt"}); }), "/nowhere/*.txt: no such file");
}

}  // namespace
}  // namespace envs
