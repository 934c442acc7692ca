#include "distill/yaml.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

namespace distill {
namespace {

Mark mark_of(const YAML::Mark& mark, const std::string& file) {
  if (mark.is_null()) return {file, 0, 0};
  return {file, mark.line + 1, mark.column + 1};
}

template <class T>
bool parses(const std::string& text, T& out) {
  const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(begin, end, out);
  return result.ec == std::errc() && result.ptr == end;
}

// YAML's core schema: what a scalar without quotes means. Words that from_chars would take for
// numbers (inf, nan) are text.
Value plain_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null") return {};
  if (text == "true" || text == "false") return text == "true";
  if (text == ".inf" || text == "+.inf") return std::numeric_limits<double>::infinity();
  if (text == "-.inf") return -std::numeric_limits<double>::infinity();
  if (text == ".nan") return std::numeric_limits<double>::quiet_NaN();
  if (text.find_first_not_of("0123456789+-.eE") == std::string::npos) {
    int64_t integer = 0;
    double real = 0;
    if (parses(text, integer)) return integer;
    if (parses(text, real)) return real;
  }
  return text;
}

Value convert(const YAML::Node& node, const std::string& file);

Options convert_map(const YAML::Node& node, const std::string& file) {
  Options out;
  out.mark = mark_of(node.Mark(), file);
  for (const auto& entry : node) {
    const Mark mark = mark_of(entry.first.Mark(), file);
    if (!entry.first.IsScalar()) throw error_at(mark, "a key must be a plain word");
    const std::string& name = entry.first.Scalar();
    if (out.has(name)) throw error_at(mark, "key \"" + name + "\" occurs twice");
    Value value = convert(entry.second, file);
    if (value.is_nothing()) value.mark = mark;
    out.set(name, std::move(value), mark);
  }
  return out;
}

Value convert(const YAML::Node& node, const std::string& file) {
  Value out;
  if (node.IsMap()) {
    out = convert_map(node, file);
  } else if (node.IsSequence()) {
    Value::List items;
    for (const YAML::Node& item : node) items.push_back(convert(item, file));
    out = items;
  } else if (node.IsScalar()) {
    // yaml-cpp tags plain scalars "?" and quoted ones "!".
    out = node.Tag() == "!" ? Value(node.Scalar()) : plain_scalar(node.Scalar());
    out.source = node.Scalar();
  }
  out.mark = mark_of(node.Mark(), file);
  return out;
}

YAML::Node load(const std::string& text, const std::string& file) try {
  return YAML::Load(text);
} catch (const YAML::Exception& error) {
  throw error_at(mark_of(error.mark, file), error.msg);
}

}  // namespace

Options parse_yaml(const std::string& text, const std::string& name) {
  const YAML::Node root = load(text, name);
  if (!root.IsMap()) throw error_at({name, 1, 1}, "expected a map (key: value)");
  return convert_map(root, name);
}

Options read_yaml(const std::string& path) {
  if (std::filesystem::is_directory(path)) throw ConfigError(path + ": is a folder, not a file");
  std::ifstream file(path);
  if (!file) throw ConfigError(path + ": cannot be opened");
  std::ostringstream text;
  text << file.rdbuf();
  return parse_yaml(text.str(), path);
}

void apply_override(Options& options, const std::string& assignment) {
  const Mark mark{"command line, " + assignment, 0, 0};
  const size_t equals = assignment.find('=');
  if (equals == 0 || equals == std::string::npos) {
    throw error_at({"command line"}, "expected key.path=value, found \"" + assignment + "\"");
  }
  Options* map = &options;
  std::istringstream path(assignment.substr(0, equals));
  std::string name;
  std::getline(path, name, '.');
  for (std::string next; std::getline(path, next, '.'); name = next) {
    if (!map->has(name)) {
      Options made;
      made.mark = mark;
      Value value = made;
      value.mark = mark;
      map->set(name, value, mark);
    }
    Value* inner = map->find(name);
    map = inner->as<Options>();
    if (map == nullptr) {
      throw error_at(mark, "\"" + name + "\" is " + inner->described() + ", not a map");
    }
  }
  Value value = convert(load(assignment.substr(equals + 1), mark.file), mark.file);
  value.mark = mark;
  if (Options* made = value.as<Options>()) made->mark = mark;
  map->set(name, value, mark);
}

}  // namespace distill
