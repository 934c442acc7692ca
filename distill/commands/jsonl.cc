#include "distill/commands/jsonl.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace distill {
namespace {

std::string without_prefix(const std::string& message) {
  // nlohmann's messages begin with "[json.exception.parse_error.101] ".
  const size_t end = message.find("] ");
  return message.rfind("[json.", 0) == 0 && end != std::string::npos ? message.substr(end + 2)
                                                                     : message;
}

JsonLine parse(const std::string& line, const std::string& where) {
  try {
    JsonLine out{nlohmann::json::parse(line), where};
    if (!out.object.is_object()) throw std::runtime_error(where + ": is no JSON object");
    return out;
  } catch (const nlohmann::json::exception& error) {
    throw std::runtime_error(where + ": " + without_prefix(error.what()));
  }
}

}  // namespace

std::string JsonLine::text(const std::string& key) const {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) {
    throw std::runtime_error("needs \"" + key + "\", a string");
  }
  return found->get<std::string>();
}

void for_each_line(const std::string& path, const std::function<void(const JsonLine&)>& use) {
  std::ifstream file(path);
  if (!file || std::filesystem::is_directory(path)) {
    throw std::runtime_error(path + ": cannot be opened");
  }
  int64_t number = 0;
  for (std::string line; std::getline(file, line);) {
    const std::string where = path + ":" + std::to_string(++number);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const JsonLine parsed = parse(line, where);
    try {
      use(parsed);
    } catch (const std::invalid_argument& error) {
      throw std::runtime_error(where + ": " + error.what());
    } catch (const std::runtime_error& error) {
      throw std::runtime_error(where + ": " + error.what());
    }
  }
}

OutputFile::OutputFile(std::string path)
    : path_(std::move(path)), beside_(path_ + ".partial"), file_(beside_, std::ios::binary) {
  if (!file_) throw std::runtime_error(path_ + ": cannot be written: " + std::strerror(errno));
}

OutputFile::~OutputFile() {
  std::error_code ignored;
  if (file_.is_open()) std::filesystem::remove(beside_, ignored);
}

void OutputFile::write(const nlohmann::ordered_json& line) { file_ << line.dump() << '\n'; }

void OutputFile::finish() {
  file_.flush();
  const bool whole = static_cast<bool>(file_);
  if (!whole) throw std::runtime_error(path_ + ": cannot be written: " + std::strerror(errno));
  file_.close();
  std::filesystem::rename(beside_, path_);
}

}  // namespace distill
