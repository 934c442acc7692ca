#include "envs/token/labelled_texts.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>

#include "envs/token/records.h"
#include "envs/token/text_file.h"
#include "envs/token/utf8.h"

namespace envs {
namespace {

using Names = std::vector<std::string>;
// Looks a key or column of one line up.
using Field = std::function<std::string(const std::string& name)>;

std::string listed(const Names& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

bool is_number(const std::string& name) {
  return !name.empty() && name.size() < 6 &&
         name.find_first_not_of("0123456789") == std::string::npos;
}

Names split_columns(std::string_view line) {
  Names columns;
  for (size_t begin = 0;;) {
    const size_t end = line.find('\t', begin);
    columns.emplace_back(line.substr(begin, end - begin));
    if (end == std::string_view::npos) return columns;
    begin = end + 1;
  }
}

int64_t label_of(const std::string& found, const Names& labels) {
  const auto place = std::find(labels.begin(), labels.end(), found);
  if (place != labels.end()) return place - labels.begin();
  throw std::invalid_argument("unknown label \"" + found + "\"; known: " + listed(labels));
}

LabelledText labelled(const Field& field, const LabelledOptions& options) {
  LabelledText out;
  for (const std::string& name : options.text) {
    const std::string part = field(name);
    if (!out.text.empty() && !part.empty()) out.text += ' ';
    out.text += part;
  }
  if (out.text.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw std::invalid_argument("the text is empty");
  }
  expect_utf8(out.text, "text");
  out.label = label_of(field(options.label), options.labels);
  return out;
}

Field field_of_json(std::string_view line) {
  const nlohmann::json object = nlohmann::json::parse(line);
  if (!object.is_object()) {
    throw std::invalid_argument(std::string("expected an object, found ") + object.type_name());
  }
  return [object](const std::string& name) {
    const auto found = object.find(name);
    if (found == object.end()) throw std::invalid_argument("no key \"" + name + "\"");
    return found->is_string() ? found->get<std::string>() : found->dump();
  };
}

Field field_of_columns(std::string_view line, const Names& header) {
  const Names columns = split_columns(line);
  return [columns, header](const std::string& name) {
    const auto place = header.empty()
                           ? std::stol(name) - 1
                           : std::find(header.begin(), header.end(), name) - header.begin();
    const bool named = header.empty() || place < static_cast<int64_t>(header.size());
    if (named && place >= 0 && place < static_cast<int64_t>(columns.size())) {
      return columns[static_cast<size_t>(place)];
    }
    throw std::invalid_argument("no column \"" + name + "\"; there are " +
                                (header.empty() ? std::to_string(columns.size()) : listed(header)));
  };
}

// Adds the texts of one file.
void read_into(std::vector<LabelledText>& out, const std::string& path,
               const LabelledOptions& options) {
  const std::string content = read_file(path);
  const bool is_json = path.ends_with(".jsonl");
  const bool counted =
      is_number(options.label) && std::all_of(options.text.begin(), options.text.end(), is_number);
  std::vector<TextSpan> lines = split_lines(content);
  Names header;
  if (!is_json && !counted && !lines.empty()) {
    header = split_columns(std::string_view(content).substr(lines[0].start, lines[0].length));
    lines.erase(lines.begin());
  }
  if (lines.empty()) throw std::invalid_argument(path + ": holds no labelled text");
  for (const TextSpan& span : lines) {
    const std::string where = path + ":" + std::to_string(span.line);
    const std::string_view line = std::string_view(content).substr(span.start, span.length);
    try {
      out.push_back(
          labelled(is_json ? field_of_json(line) : field_of_columns(line, header), options));
      out.back().where = where;
    } catch (const std::exception& error) {
      throw std::invalid_argument(where + ": " + error.what());
    }
  }
}

}  // namespace

std::vector<LabelledText> read_labelled(const LabelledOptions& options) {
  std::vector<LabelledText> out;
  for (const std::string& path : expand_globs(options.files)) read_into(out, path, options);
  return out;
}

}  // namespace envs
