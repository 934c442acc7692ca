#pragma once

#include <vector>

#include "agents/nets/decoder_config.h"
#include "rl/tensor.h"

namespace agents {

/// The keys and values of the tokens read so far, of B rows in lockstep, preallocated.
///
/// Every row has its own length. A decoder appends to it; whoever generates drops finished rows
/// with `keep`. One thread at a time.
class KeyValueCache {
 public:
  /// @param rows B.
  /// @param capacity most tokens of a row.
  /// @param options device, and the type to keep: float32 or bfloat16.
  /// @throws std::invalid_argument if the capacity exceeds the context of the decoder.
  KeyValueCache(const DecoderConfig& config, int64_t rows, int64_t capacity,
                const c10::TensorOptions& options);

  int64_t rows() const { return static_cast<int64_t>(lengths_.size()); }
  int64_t capacity() const { return capacity_; }
  /// Tokens read so far, per row.
  const std::vector<int64_t>& lengths() const { return lengths_; }

  /// Keeps these rows, in this order; each may be named once.
  /// @throws std::invalid_argument if a row does not exist or they do not ascend.
  void keep(const std::vector<int64_t>& rows);

  /// Counts tokens as read whose keys and values have been written.
  /// @param counts per row.
  /// @throws std::invalid_argument as `check_room`.
  void advance(const std::vector<int64_t>& counts);

  /// Forgets the last tokens of each row: what is read next takes their place.
  /// @param lengths tokens of each row that stay.
  /// @throws std::invalid_argument naming the first row that has fewer.
  void truncate(const std::vector<int64_t>& lengths);

  /// @throws std::invalid_argument naming the first row that has no room for `counts` more tokens.
  void check_room(const std::vector<int64_t>& counts) const;

  /// Keys of a layer, rotated, transposed: [B, key_value_heads, head_width, room], where the room is
  /// the capacity rounded up to a multiple of 16.
  rl::Tensor keys(int64_t layer) const;
  /// Values of a layer: [B, key_value_heads, room, head_width].
  rl::Tensor values(int64_t layer) const;

 private:
  int64_t capacity_;
  std::vector<int64_t> lengths_;
  std::vector<rl::Tensor> keys_, values_;  // per layer, of as many rows as there were at first
};

}  // namespace agents
