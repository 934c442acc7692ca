#pragma once

/// Named numbers of a run, and the file that keeps them.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace rl {

/// Numbers by name, in the order of the names.
using Metrics = std::map<std::string, double>;

/// Adds the numbers of `from`, each name with `prefix` before it.
///
/// @throws std::invalid_argument if a name is there already.
void merge(Metrics& into, const Metrics& from, const std::string& prefix = "");

/// A file with one JSON object per line: {"step":7,"loss":0.5,...}, "step" first, then the metrics in
/// the order of their names.
///
/// Numbers are written with the fewest digits that read back as the same double, so that equal
/// metrics make equal bytes; numbers that are not finite become null. A line is handed to the
/// operating system as a whole.
class MetricsLog {
 public:
  /// Opens `path` for appending and keeps its lines up to and including step `last_step`; later
  /// lines, and a last line that a kill cut short, are removed. A run that goes on from step n thus
  /// leaves the same file as one that never stopped.
  ///
  /// @param last_step -1: begins an empty file.
  /// @throws std::runtime_error naming the path, and the line where one cannot be read.
  MetricsLog(const std::string& path, int64_t last_step);
  ~MetricsLog();

  /// @param step larger than that of the line before.
  /// @throws std::invalid_argument if it is not, or if a metric is called "step".
  /// @throws std::runtime_error naming the path if it cannot be written.
  void write(int64_t step, const Metrics& metrics);

 private:
  struct File;
  std::string path_;
  std::unique_ptr<File> file_;
  int64_t last_step_ = -1;
};

}  // namespace rl
