#include "envs/token/records.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "envs/token/utf8.h"

namespace envs {
namespace {

using nlohmann::json;

constexpr std::string_view kBlanks = " \t\r\n";

const std::string& text_at(const json& object, const std::string& key) {
  const auto found = object.find(key);
  if (found == object.end()) throw std::invalid_argument("no key \"" + key + "\"");
  if (!found->is_string()) {
    throw std::invalid_argument("\"" + key + "\": expected a string, found " + found->type_name());
  }
  return found->get_ref<const std::string&>();
}

Record conversation(const json& messages, const std::string& key) {
  if (!messages.is_array() || messages.empty()) {
    throw std::invalid_argument("\"" + key + "\": expected a list of messages, found " +
                                (messages.is_array() ? "an empty one" : messages.type_name()));
  }
  for (const json& message : messages) {
    if (!message.is_object()) {
      throw std::invalid_argument("\"" + key + "\": expected objects, found " +
                                  message.type_name());
    }
  }
  size_t count = messages.size();  // of messages in the prompt
  while (count > 0 && text_at(messages[count - 1], "role") != "assistant") --count;
  Record record;
  record.has_response = count > 0;
  if (record.has_response) {
    record.response = text_at(messages[--count], "content");
  } else {
    count = messages.size();
  }
  for (size_t i = 0; i < count; ++i) {
    record.prompt +=
        text_at(messages[i], "role") + ":\n" + text_at(messages[i], "content") + "\n\n";
  }
  record.prompt += "assistant:\n";
  return record;
}

Record prompt_and_response(const json& object, const RecordKeys& keys) {
  Record record;
  record.prompt = text_at(object, keys.prompt);
  record.has_response = object.contains(keys.response);
  if (record.has_response) record.response = text_at(object, keys.response);
  return record;
}

TextSpan trimmed(std::string_view text, TextSpan span) {
  const std::string_view part = text.substr(span.start, span.length);
  const size_t first = std::min(part.find_first_not_of(kBlanks), part.size());
  const size_t end = part.find_last_not_of(kBlanks) + 1;  // npos + 1 is 0
  const std::string_view before = part.substr(0, first);
  return {span.start + first, end > first ? end - first : 0,
          span.line + std::count(before.begin(), before.end(), '\n')};
}

std::vector<TextSpan> split_at(std::string_view text, std::string_view separator) {
  std::vector<TextSpan> spans;
  int64_t line = 1;
  for (size_t start = 0; start <= text.size();) {
    const size_t end = std::min(text.find(separator, start), text.size());
    const size_t next = end + separator.size();
    spans.push_back({start, end - start, line});
    const std::string_view passed = text.substr(start, next - start);
    line += std::count(passed.begin(), passed.end(), '\n');
    start = next;
  }
  return spans;
}

}  // namespace

Record parse_record(std::string_view line, const RecordKeys& keys) {
  expect_utf8(line, "record");
  const json object = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (object.is_discarded()) throw std::invalid_argument("malformed JSON");
  if (!object.is_object()) {
    throw std::invalid_argument(std::string("expected an object, found ") + object.type_name());
  }
  const bool talks = !object.contains(keys.prompt) && object.contains(keys.messages);
  Record record = talks ? conversation(object.at(keys.messages), keys.messages)
                        : prompt_and_response(object, keys);
  if (!keys.privileged.empty()) record.privileged = text_at(object, keys.privileged);
  return record;
}

std::vector<TextSpan> split_lines(std::string_view text) {
  std::vector<TextSpan> lines = split_at(text, "\n");
  for (TextSpan& span : lines) span = trimmed(text, span);
  std::erase_if(lines, [](const TextSpan& span) { return span.length == 0; });
  return lines;
}

std::vector<TextSpan> split_documents(std::string_view text, std::string_view separator) {
  if (separator.empty()) {
    return text.empty() ? std::vector<TextSpan>{} : std::vector<TextSpan>{{0, text.size(), 1}};
  }
  std::vector<TextSpan> documents = split_at(text, separator);
  for (TextSpan& span : documents) span = trimmed(text, span);
  std::erase_if(documents, [](const TextSpan& span) { return span.length == 0; });
  return documents;
}

std::vector<std::string> expand_globs(const std::vector<std::string>& patterns) {
  std::vector<std::string> files;
  for (const std::string& pattern : patterns) {
    if (std::filesystem::is_regular_file(pattern)) {  // also where its name holds * or ?
      files.push_back(pattern);
      continue;
    }
    glob_t matches{};
    glob(pattern.c_str(), 0, nullptr, &matches);
    std::vector<std::string> found(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
    globfree(&matches);
    std::erase_if(found, [](const auto& path) { return !std::filesystem::is_regular_file(path); });
    if (found.empty()) throw std::invalid_argument(pattern + ": no such file");
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

}  // namespace envs
