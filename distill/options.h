#pragma once

/// Named values, and binding them to variables. Values read from a file know where they stood, so
/// that whoever finds one wrong can say so with file, line and column.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace distill {

/// A run file or a command line asks for what cannot be. The program exits with code 2.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Where something was written.
struct Mark {
  std::string file;  // or "command line"; empty for values made by the program
  int line = 0;      // from 1; 0: unknown
  int column = 0;    // from 1

  /// "run.yaml:12:3", "command line", or nothing.
  std::string text() const;
};

/// The error "run.yaml:12:3: message".
ConfigError error_at(const Mark& mark, const std::string& message);

class Value;

/// Named values in the order they were written; a name occurs once.
class Options {
 public:
  struct Entry;

  Options();
  Options(std::initializer_list<Entry> entries);
  Options(const Options&);
  Options(Options&&) noexcept;
  Options& operator=(const Options&);
  Options& operator=(Options&&) noexcept;
  ~Options();

  const std::vector<Entry>& entries() const { return entries_; }
  bool empty() const;
  /// Nothing where the name is absent.
  const Value* find(std::string_view name) const;
  Value* find(std::string_view name);
  bool has(std::string_view name) const { return find(name) != nullptr; }
  /// Replaces the value of that name, or adds it at the end.
  void set(const std::string& name, Value value, Mark mark = {});
  void erase(std::string_view name);

  Mark mark;  // where the map begins
  /// Where `bind` notes the names and defaults of the variables it is given; null: nowhere.
  Options* defaults = nullptr;

 private:
  std::vector<Entry> entries_;
};

/// One value: nothing, a truth, an integer, a number, text, a list or a map.
class Value {
 public:
  using List = std::vector<Value>;

  Value() = default;
  Value(bool value) : data_(value) {}
  Value(int value) : data_(static_cast<int64_t>(value)) {}
  Value(int64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(List value) : data_(std::move(value)) {}
  Value(Options value) : data_(std::move(value)) {}

  bool is_nothing() const { return std::holds_alternative<std::monostate>(data_); }
  /// Null where the value is of another type.
  template <class T>
  const T* as() const {
    return std::get_if<T>(&data_);
  }
  template <class T>
  T* as() {
    return std::get_if<T>(&data_);
  }
  /// As one would write it: `0.5`, `"high"`, `a list`, `nothing`.
  std::string described() const;

  Mark mark;
  /// What stood in the file, where that was a plain scalar: `007` may be meant as text.
  std::string source;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, List, Options> data_;
};

struct Options::Entry {
  std::string name;
  Value value;
  Mark mark = {};  // of the name
};

/// A number that may change in the course of a run: `0.5`, or `{from: 0, to: 1}`, linearly.
struct Ramp {
  double from = 0;
  double to = 0;
  bool constant() const { return from == to; }
  /// @param progress share of the run done, in [0, 1].
  double at(double progress) const { return from + progress * (to - from); }
};

/// A name and the variable that its value goes to. The variable holds the default.
class Binding {
 public:
  using Target = std::variant<bool*, int64_t*, double*, std::string*, std::optional<int64_t>*,
                              std::optional<double>*, std::vector<int64_t>*, std::vector<double>*,
                              std::vector<std::string>*, Ramp*, Options*, Value*>;

  Binding(std::string name, Target target) : name_(std::move(name)), target_(target) {}

  const std::string& name() const { return name_; }
  /// @throws ConfigError 'run.yaml:12:9: beta: expected a number, found "high"'.
  void assign(const Value& value) const;
  /// What the variable holds; nothing for an absent optional.
  Value value() const;

 private:
  std::string name_;
  Target target_;
};

/// A list of bindings; `+` joins two. A type of its own, lest std::bind be found in place of `bind`.
class Bindings {
 public:
  Bindings() = default;
  Bindings(std::initializer_list<Binding> items) : items_(items) {}

  const std::vector<Binding>& items() const { return items_; }
  void add(Binding binding) { items_.push_back(std::move(binding)); }
  friend Bindings operator+(Bindings first, const Bindings& second);

 private:
  std::vector<Binding> items_;
};

/// The bindings but those with the given names: what a method decides itself.
Bindings without(const Bindings& bindings, const std::vector<std::string>& names);

/// The bindings with the given names: what a method leaves to its users.
Bindings only(const Bindings& bindings, const std::vector<std::string>& names);

/// Sets each variable whose name `options` holds; the others keep their defaults. Integers serve
/// where numbers are asked for, whole numbers such as 1e6 where integers are, one value where a
/// list is.
///
/// @throws ConfigError for a name that is not bound:
///     'run.yaml:12:3: unknown key "bta"; did you mean "beta"? known: lambda, beta';
///     for a value of the wrong type, see Binding::assign.
void bind(const Options& options, const Bindings& bindings);

/// What the variables hold, in the order bound; absent optionals and empty maps are left out.
Options options_of(const Bindings& bindings);

/// Checks a range.
///
/// @param statement what must hold, in terms of the options' names: "0 <= beta <= 1".
/// @throws ConfigError "run.yaml:12:9: needs 0 <= beta <= 1, found beta: 1.5" unless `condition`.
void require(bool condition, const Options& options, const std::string& statement);

/// Refuses options that only one choice reads where another was made.
///
/// @throws ConfigError "run.yaml:12:9: needs divergence: jsd where beta is set, found ..." unless `is_made`.
void require_choice(bool is_made, const std::string& choice, const Options& options,
                    const std::vector<std::string>& names);

/// Checks weights of what is added up: each is >= 0, one of them > 0.
///
/// @param weights bound numbers.
/// @throws ConfigError as `require`.
void require_weights(const Options& options, const Bindings& weights);

/// Checks that a name is one of a few.
///
/// @throws ConfigError 'run.yaml:12:9: tail: unknown value "lamp"; did you mean "lump"? known: ...'.
void require_one_of(const std::string& value, const std::vector<std::string>& known,
                    const Options& options, const std::string& name);

/// The known name nearest in edit distance, or nothing when none is near.
std::string nearest(std::string_view name, const std::vector<std::string>& known);

/// 'what "name"; did you mean "near"? known: a, b'.
std::string unknown(const std::string& what, std::string_view name,
                    const std::vector<std::string>& known);

/// As YAML text that reads back to the same values.
std::string to_yaml(const Options& options);

/// As JSON text, in the order written; what is not finite becomes null.
std::string to_json(const Options& options);

}  // namespace distill
