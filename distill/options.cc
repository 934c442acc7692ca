#include "distill/options.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <type_traits>

namespace distill {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

std::string in_quotes(std::string_view text) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\x";
          out += kDigits[static_cast<size_t>(c) >> 4];
          out += kDigits[static_cast<size_t>(c) & 15];
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

// Shortest text that reads back to the same number, always recognisable as one with a fraction.
std::string number(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value > 0 ? ".inf" : "-.inf";
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  std::string text(buffer.data(), end);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

// Text that needs no quotes in YAML: it starts with a letter, a slash or a dot and a slash, holds
// nothing with a meaning, and is none of YAML's words.
bool plain(const std::string& text) {
  static const std::vector<std::string> words = {"true", "false", "null", "yes", "no",
                                                 "on",   "off",   "y",    "n"};
  if (text.empty()) return false;
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (std::find(words.begin(), words.end(), lower) != words.end()) return false;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (!letter(text[0]) && text[0] != '/' && text.rfind("./", 0) != 0 && text.rfind("../", 0) != 0) {
    return false;
  }
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') ||
           std::string_view("_-./+").find(c) != std::string_view::npos;
  });
}

std::string scalar(const Value& value) {
  if (const bool* truth = value.as<bool>()) return *truth ? "true" : "false";
  if (const int64_t* integer = value.as<int64_t>()) return std::to_string(*integer);
  if (const double* real = value.as<double>()) return number(*real);
  if (const std::string* text = value.as<std::string>())
    return plain(*text) ? *text : in_quotes(*text);
  return "null";
}

void write(const Options& options, const std::string& indent, std::string& out);

std::string key(const std::string& name) { return plain(name) ? name : in_quotes(name); }

// Lists stand on one line; maps inside them in braces.
std::string inlined(const Value& value) {
  std::string out;
  if (const auto* list = value.as<Value::List>()) {
    for (const Value& item : *list) out += (out.empty() ? "" : ", ") + inlined(item);
    return "[" + out + "]";
  }
  if (const auto* map = value.as<Options>()) {
    for (const Options::Entry& entry : map->entries()) {
      out += (out.empty() ? "" : ", ") + key(entry.name) + ": " + inlined(entry.value);
    }
    return "{" + out + "}";
  }
  return scalar(value);
}

bool is_list_of_maps(const Value& value) {
  const auto* list = value.as<Value::List>();
  return list != nullptr && !list->empty() &&
         std::all_of(list->begin(), list->end(),
                     [](const Value& item) { return item.as<Options>() != nullptr; });
}

void write_entry(const Options::Entry& entry, const std::string& indent, std::string& out) {
  out += key(entry.name) + ":";
  const auto* map = entry.value.as<Options>();
  if (map != nullptr && !map->empty()) {
    out += "\n";
    write(*map, indent + "  ", out);
  } else if (is_list_of_maps(entry.value)) {
    out += "\n";
    for (const Value& item : *entry.value.as<Value::List>()) {
      std::string block;
      write(*item.as<Options>(), indent + "    ", block);
      out += indent + "  - " + block.substr(indent.size() + 4);
    }
  } else {
    out += " " + inlined(entry.value) + "\n";
  }
}

void write(const Options& options, const std::string& indent, std::string& out) {
  for (const Options::Entry& entry : options.entries()) {
    out += indent;
    write_entry(entry, indent, out);
  }
}

nlohmann::ordered_json json_of(const Value& value);

nlohmann::ordered_json json_of(const Options& options) {
  auto out = nlohmann::ordered_json::object();
  for (const Options::Entry& entry : options.entries()) out[entry.name] = json_of(entry.value);
  return out;
}

nlohmann::ordered_json json_of(const Value& value) {
  if (const auto* map = value.as<Options>()) return json_of(*map);
  if (const auto* list = value.as<Value::List>()) {
    auto out = nlohmann::ordered_json::array();
    for (const Value& item : *list) out.push_back(json_of(item));
    return out;
  }
  if (const bool* truth = value.as<bool>()) return *truth;
  if (const int64_t* integer = value.as<int64_t>()) return *integer;
  if (const double* real = value.as<double>()) return *real;
  if (const std::string* text = value.as<std::string>()) return *text;
  return nullptr;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

// True where `word` stands in `text` as a whole word.
bool mentions(const std::string& text, const std::string& word) {
  const auto part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !part(text[at - 1])) && (end == text.size() || !part(text[end]))) return true;
  }
  return false;
}

// Reads a value as a T; false where its type does not fit.
bool read(const Value& value, bool& out) {
  if (const bool* truth = value.as<bool>()) return out = *truth, true;
  return false;
}

bool read(const Value& value, int64_t& out) {
  if (const int64_t* integer = value.as<int64_t>()) return out = *integer, true;
  const double* real = value.as<double>();
  if (real == nullptr || std::nearbyint(*real) != *real || std::abs(*real) > 9e15) return false;
  return out = static_cast<int64_t>(*real), true;
}

bool read(const Value& value, double& out) {
  if (const double* real = value.as<double>()) return out = *real, true;
  if (const int64_t* integer = value.as<int64_t>())
    return out = static_cast<double>(*integer), true;
  return false;
}

bool read(const Value& value, std::string& out) {
  if (const std::string* text = value.as<std::string>()) return out = *text, true;
  if (value.source.empty() || value.is_nothing()) return false;
  return out = value.source, true;
}

bool read(const Value& value, Options& out) {
  if (const Options* map = value.as<Options>()) return out = *map, true;
  return false;
}

bool read(const Value& value, Value& out) { return out = value, true; }

bool read(const Value& value, Ramp& out) {
  double number = 0;
  if (read(value, number)) return out = {number, number}, true;
  const Options* map = value.as<Options>();
  if (map == nullptr || !map->has("from") || !map->has("to")) return false;
  bind(*map, {{"from", &out.from}, {"to", &out.to}});
  return true;
}

template <class T>
bool read(const Value& value, std::optional<T>& out) {
  T found{};
  if (!read(value, found)) return false;
  return out = found, true;
}

template <class T>
bool read(const Value& value, std::vector<T>& out) {
  const auto* list = value.as<Value::List>();
  std::vector<T> found(list == nullptr ? 1 : list->size());
  for (size_t i = 0; i < found.size(); ++i) {
    if (!read(list == nullptr ? value : (*list)[i], found[i])) return false;
  }
  return out = std::move(found), true;
}

const char* expected(const Binding::Target& target) {
  return std::visit(
      Overloaded{[](bool*) { return "true or false"; }, [](int64_t*) { return "an integer"; },
                 [](double*) { return "a number"; }, [](std::string*) { return "text"; },
                 [](std::optional<int64_t>*) { return "an integer"; },
                 [](std::optional<double>*) { return "a number"; },
                 [](std::vector<int64_t>*) { return "a list of integers"; },
                 [](std::vector<double>*) { return "a list of numbers"; },
                 [](std::vector<std::string>*) { return "a list of texts"; },
                 [](Ramp*) { return "a number or {from: number, to: number}"; },
                 [](Options*) { return "a map (key: value)"; }, [](Value*) { return "a value"; }},
      target);
}

template <class T>
Value written(const T& value) {
  return value;
}

Value written(const Ramp& ramp) {
  if (ramp.constant()) return ramp.from;
  return Options{{"from", ramp.from}, {"to", ramp.to}};
}

template <class T>
Value written(const std::optional<T>& value) {
  return value ? Value(*value) : Value();
}

template <class T>
Value written(const std::vector<T>& values) {
  return Value::List(values.begin(), values.end());
}

bool is_among(const std::vector<std::string>& names, const Binding& binding) {
  return std::find(names.begin(), names.end(), binding.name()) != names.end();
}

}  // namespace

std::string Mark::text() const {
  if (line == 0) return file;
  return file + ":" + std::to_string(line) + ":" + std::to_string(column);
}

ConfigError error_at(const Mark& mark, const std::string& message) {
  const std::string place = mark.text();
  return ConfigError(place.empty() ? message : place + ": " + message);
}

Options::Options() = default;
Options::Options(std::initializer_list<Entry> entries) : entries_(entries) {}
Options::Options(const Options&) = default;
Options::Options(Options&&) noexcept = default;
Options& Options::operator=(const Options&) = default;
Options& Options::operator=(Options&&) noexcept = default;
Options::~Options() = default;

bool Options::empty() const { return entries_.empty(); }

const Value* Options::find(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (entry.name == name) return &entry.value;
  }
  return nullptr;
}

Value* Options::find(std::string_view name) {
  return const_cast<Value*>(std::as_const(*this).find(name));
}

void Options::set(const std::string& name, Value value, Mark where) {
  for (Entry& entry : entries_) {
    if (entry.name != name) continue;
    entry.value = std::move(value);
    entry.mark = std::move(where);
    return;
  }
  entries_.push_back({name, std::move(value), std::move(where)});
}

void Options::erase(std::string_view name) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.name == name; });
}

std::string Value::described() const {
  if (is_nothing()) return "nothing";
  if (as<List>() != nullptr) return "a list";
  if (as<Options>() != nullptr) return "a map";
  if (const auto* text = as<std::string>()) return in_quotes(*text);
  return source.empty() ? scalar(*this) : source;
}

void Binding::assign(const Value& value) const {
  const bool fits = std::visit([&](auto* target) { return read(value, *target); }, target_);
  if (fits) return;
  throw error_at(value.mark,
                 name_ + ": expected " + expected(target_) + ", found " + value.described());
}

Value Binding::value() const {
  return std::visit([](const auto* target) { return written(*target); }, target_);
}

Bindings without(const Bindings& bindings, const std::vector<std::string>& names) {
  Bindings kept;
  for (const Binding& binding : bindings.items()) {
    if (!is_among(names, binding)) kept.add(binding);
  }
  return kept;
}

Bindings only(const Bindings& bindings, const std::vector<std::string>& names) {
  Bindings kept;
  for (const Binding& binding : bindings.items()) {
    if (is_among(names, binding)) kept.add(binding);
  }
  return kept;
}

void bind(const Options& options, const Bindings& bindings) {
  if (options.defaults != nullptr) *options.defaults = options_of(bindings);
  for (const Options::Entry& entry : options.entries()) {
    const auto binding = std::find_if(bindings.items().begin(), bindings.items().end(),
                                      [&](const Binding& b) { return b.name() == entry.name; });
    if (binding == bindings.items().end()) {
      std::vector<std::string> known;
      for (const Binding& b : bindings.items()) known.push_back(b.name());
      throw error_at(entry.mark, unknown("key", entry.name, known));
    }
    binding->assign(entry.value);
  }
}

Options options_of(const Bindings& bindings) {
  Options out;
  for (const Binding& binding : bindings.items()) {
    Value value = binding.value();
    const Options* map = value.as<Options>();
    if (value.is_nothing() || (map != nullptr && map->empty())) continue;
    out.set(binding.name(), std::move(value));
  }
  return out;
}

Bindings operator+(Bindings first, const Bindings& second) {
  first.items_.insert(first.items_.end(), second.items_.begin(), second.items_.end());
  return first;
}

void require(bool condition, const Options& options, const std::string& statement) {
  if (condition) return;
  Mark mark = options.mark;
  std::string found;
  for (const Options::Entry& entry : options.entries()) {
    if (!mentions(statement, entry.name)) continue;
    if (found.empty()) mark = entry.value.mark;
    found += (found.empty() ? ", found " : ", ") + entry.name + ": " + entry.value.described();
  }
  throw error_at(mark, "needs " + statement + found);
}

void require_choice(bool is_made, const std::string& choice, const Options& options,
                    const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    require(is_made || !options.has(name), options, choice + " where " + name + " is set");
  }
}

void require_weights(const Options& options, const Bindings& weights) {
  std::string names;
  double sum = 0;
  for (const Binding& binding : weights.items()) {
    const Value value = binding.value();
    const double weight = *value.as<double>();
    require(weight >= 0, options, binding.name() + " >= 0");
    names += (names.empty() ? "" : ", ") + binding.name();
    sum += weight;
  }
  require(sum > 0, options, "one of " + names + " > 0");
}

void require_one_of(const std::string& value, const std::vector<std::string>& known,
                    const Options& options, const std::string& name) {
  if (std::find(known.begin(), known.end(), value) != known.end()) return;
  const Value* found = options.find(name);
  throw error_at(found == nullptr ? options.mark : found->mark,
                 name + ": " + unknown("value", value, known));
}

std::string nearest(std::string_view name, const std::vector<std::string>& known) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const size_t distance = edit_distance(name, candidate);
    // A name that shares nothing with another is not near it, however short both are.
    if (distance < best_distance && distance < std::max(name.size(), candidate.size())) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string unknown(const std::string& what, std::string_view name,
                    const std::vector<std::string>& known) {
  std::string message = "unknown " + what + " " + in_quotes(name);
  const std::string near = nearest(name, known);
  if (!near.empty()) message += "; did you mean " + in_quotes(near) + "?";
  return message + (near.empty() ? "; known: " : " known: ") +
         (known.empty() ? "none" : listed(known));
}

std::string to_yaml(const Options& options) {
  std::string out;
  write(options, "", out);
  return out;
}

std::string to_json(const Options& options) { return json_of(options).dump(); }

}  // namespace distill
