#include "rl/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "rl/check.h"

namespace rl {
namespace {

using Json = nlohmann::json;

std::string as_json(double value) {
  if (!std::isfinite(value)) return "null";
  char text[32];
  const auto result = std::to_chars(text, text + sizeof(text), value);
  return {text, result.ptr};
}

[[noreturn]] void fail(const std::string& path, const std::string& message) {
  throw std::runtime_error(path + ": " + message);
}

// Bytes of the lines up to and including `last_step`.
std::uintmax_t bytes_to_keep(const std::string& path, int64_t last_step, int64_t& found_step) {
  std::ifstream file(path, std::ios::binary);
  std::uintmax_t bytes = 0;
  std::string line;
  for (int64_t number = 1; std::getline(file, line) && !file.eof(); ++number) {
    const Json entry = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!entry.is_object() || !entry.contains("step") || !entry["step"].is_number_integer()) {
      fail(path, "line " + std::to_string(number) + ": expected an object with a \"step\"");
    }
    const auto step = entry["step"].get<int64_t>();
    if (step > last_step) break;
    found_step = step;
    bytes += line.size() + 1;
  }
  return bytes;
}

}  // namespace

void merge(Metrics& into, const Metrics& from, const std::string& prefix) {
  for (const auto& [name, value] : from) {
    require(into.emplace(prefix + name, value).second,
            "the metric " + prefix + name + " is there already");
  }
}

struct MetricsLog::File {
  int descriptor;
  explicit File(const std::string& path)
      : descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
    if (descriptor < 0) fail(path, std::string("cannot open: ") + std::strerror(errno));
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { ::close(descriptor); }
};

MetricsLog::MetricsLog(const std::string& path, int64_t last_step) : path_(path) {
  const std::uintmax_t bytes = last_step < 0 ? 0 : bytes_to_keep(path, last_step, last_step_);
  file_ = std::make_unique<File>(path);
  if (::ftruncate(file_->descriptor, static_cast<off_t>(bytes)) != 0) {
    fail(path, std::string("cannot shorten: ") + std::strerror(errno));
  }
}

MetricsLog::~MetricsLog() = default;

void MetricsLog::write(int64_t step, const Metrics& metrics) {
  require(step > last_step_, "metrics of step " + std::to_string(step) + " after those of step " +
                                 std::to_string(last_step_));
  std::string line = "{\"step\":" + std::to_string(step);
  for (const auto& [name, value] : metrics) {
    require(name != "step", "a metric cannot be called \"step\"");
    line += "," + Json(name).dump() + ":" + as_json(value);
  }
  line += "}\n";
  size_t written = 0;
  while (written < line.size()) {
    const ssize_t count = ::write(file_->descriptor, line.data() + written, line.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail(path_, std::string("cannot write: ") + std::strerror(errno));
    written += static_cast<size_t>(count);
  }
  last_step_ = step;
}

}  // namespace rl
