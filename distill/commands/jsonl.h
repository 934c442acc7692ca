#pragma once

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

namespace distill {

/// A line of a jsonl file, and "file:line" for messages.
struct JsonLine {
  nlohmann::json object;
  std::string where;

  /// @throws std::runtime_error 'in.jsonl:3: needs "text", a string'.
  std::string text(const std::string& key) const;
};

/// Calls `use` for every line of a file; blank lines are passed over.
///
/// @throws std::runtime_error naming file and line for what is no JSON object or no UTF-8; what `use`
///     throws as std::invalid_argument or std::runtime_error gets file and line put before it.
void for_each_line(const std::string& path, const std::function<void(const JsonLine&)>& use);

/// A file that appears whole or not at all: written beside, renamed by `finish`.
class OutputFile {
 public:
  /// @throws std::runtime_error naming the path.
  explicit OutputFile(std::string path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const nlohmann::ordered_json& line);
  /// @throws std::runtime_error naming the path where it could not be written.
  void finish();

 private:
  std::string path_, beside_;
  std::ofstream file_;
};

}  // namespace distill
