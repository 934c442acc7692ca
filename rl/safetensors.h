#pragma once

/// Reading and writing named tensors in the safetensors format: eight bytes of header length
/// (little endian), a JSON header {name: {dtype, shape, data_offsets}}, then the bytes of the
/// tensors without gaps. It holds weights and is the container of checkpoints.
///
/// Source: github.com/huggingface/safetensors, section "Format".

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rl/tensor.h"

namespace rl {

/// A safetensors file mapped into memory.
///
/// Opening checks the whole header, so a file that opens is sound: every tensor has a known type,
/// its bytes lie in the file and match its shape, and no two overlap. Nothing is read from disk
/// before a tensor is used. May be read from several threads.
class SafetensorsFile {
 public:
  /// @throws std::runtime_error on one line, naming file, tensor, what was expected and what found.
  explicit SafetensorsFile(const std::string& path);

  const std::string& path() const { return path_; }
  /// In the order of the header.
  const std::vector<std::string>& names() const { return names_; }
  bool contains(const std::string& name) const { return entries_.count(name) > 0; }
  /// What `__metadata__` says; empty where the file has none.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// The tensor of this name, of type float64, float32, float16, bfloat16, int64, int32, int16,
  /// int8, uint8 or bool, on the host. It shares the mapping, which lives as long as any such
  /// tensor; bytes that are not aligned for their type are copied. Writing into it changes this
  /// process's view, never the file.
  ///
  /// @throws std::runtime_error if the file holds no tensor of this name.
  Tensor tensor(const std::string& name) const;

 private:
  struct Mapping;
  struct Entry {
    c10::ScalarType dtype;
    std::vector<int64_t> shape;
    uint64_t begin, end;  // bytes from the start of the data
  };

  void parse_header();
  void check_layout(uint64_t data_bytes) const;

  std::string path_;
  std::shared_ptr<const Mapping> mapping_;
  uint64_t data_start_ = 0;
  std::vector<std::string> names_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
};

/// Writes tensors into one file, which appears whole or not at all: it is written beside as
/// `path`.partial, flushed to the disk and renamed, so that a kill or a full disk leaves an older
/// file at `path` as it was. The header keeps the order given; the bytes are laid out with the
/// widest types first, so that every tensor is aligned.
///
/// @param tensors any device, any layout, one of the types `SafetensorsFile::tensor` names.
/// @throws std::invalid_argument if a name occurs twice or a type has no name in the format.
/// @throws std::runtime_error naming the path if it cannot be written.
void write_safetensors(const std::string& path,
                       const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace rl
