#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "rl/tensor.h"

namespace rl {

/// Named tensors and numbers that make up the state of something that can be stopped and resumed.
class State {
 public:
  void put(const std::string& name, const Tensor& value) { tensors_[name] = value; }
  void put(const std::string& name, int64_t value);
  void put(const std::string& name, double value);
  /// Puts all of `part` below `name`.
  void put(const std::string& name, const State& part);
  /// Puts what `part` saves below `name`.
  template <class T>
  void save(const std::string& name, const T& part) {
    State inner;
    part.save(inner);
    put(name, inner);
  }

  /// @throws std::runtime_error naming what is missing.
  Tensor tensor(const std::string& name) const;
  int64_t integer(const std::string& name) const;
  double number(const std::string& name) const;
  State part(const std::string& name) const;
  bool contains(const std::string& name) const { return tensors_.count(name) > 0; }

  const std::map<std::string, Tensor>& tensors() const { return tensors_; }

 private:
  std::map<std::string, Tensor> tensors_;
};

/// Writes `state` as checkpoint `step` of a folder and forgets all but the newest `keep`.
///
/// Written beside, flushed and renamed: a kill or a full disk at any moment leaves the previous
/// checkpoint whole.
///
/// @throws std::runtime_error naming the path.
void save_checkpoint(const std::string& folder, int64_t step, const State& state, int64_t keep = 2);

/// The newest step in the folder whose checkpoint is complete, if any.
std::optional<int64_t> latest_checkpoint(const std::string& folder);

/// @throws std::runtime_error if it is missing, damaged (checksum) or of another format.
State load_checkpoint(const std::string& folder, int64_t step);

/// CRC-32 of a file's bytes; that of no bytes for a file that cannot be read.
uint32_t checksum(const std::string& path);

}  // namespace rl
