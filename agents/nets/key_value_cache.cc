#include "agents/nets/key_value_cache.h"

#include "rl/check.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

KeyValueCache::KeyValueCache(const DecoderConfig& config, int64_t rows, int64_t capacity,
                             const c10::TensorOptions& options)
    : capacity_(capacity), lengths_(rows, 0) {
  rl::require(rows >= 0 && capacity >= 1, "a key-value cache needs room for at least one token");
  rl::require(capacity <= config.context, "a key-value cache of " + std::to_string(capacity) +
                                              " tokens exceeds the context of the decoder, " +
                                              std::to_string(config.context));
  const int64_t room = (capacity + 15) / 16 * 16;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    keys_.push_back(at::zeros({rows, config.key_value_heads, config.head_width, room}, options));
    values_.push_back(at::zeros({rows, config.key_value_heads, room, config.head_width}, options));
  }
}

void KeyValueCache::keep(const std::vector<int64_t>& rows) {
  std::vector<int64_t> lengths;
  for (size_t i = 0; i < rows.size(); ++i) {
    rl::require(rows[i] >= 0 && rows[i] < this->rows() && (i == 0 || rows[i - 1] < rows[i]),
                "KeyValueCache::keep: expected ascending rows below " +
                    std::to_string(this->rows()) + ", found " + std::to_string(rows[i]));
    lengths.push_back(lengths_[rows[i]]);
  }
  // Rows only move towards the front, one at a time, so none is overwritten before it has moved.
  const at::NoGradGuard no_grad;
  for (size_t layer = 0; layer < keys_.size(); ++layer) {
    for (size_t i = 0; i < rows.size(); ++i) {
      if (rows[i] == static_cast<int64_t>(i) || lengths[i] == 0) continue;
      for (Tensor& all : {std::ref(keys_[layer]), std::ref(values_[layer])}) {
        all[i].copy_(all[rows[i]]);
      }
    }
  }
  lengths_ = std::move(lengths);
}

void KeyValueCache::check_room(const std::vector<int64_t>& counts) const {
  rl::require(counts.size() == lengths_.size(),
              "KeyValueCache: expected " + std::to_string(lengths_.size()) + " rows, found " +
                  std::to_string(counts.size()));
  for (size_t row = 0; row < counts.size(); ++row) {
    rl::require(lengths_[row] + counts[row] <= capacity_,
                "row " + std::to_string(row) + ": " + std::to_string(lengths_[row]) +
                    " tokens and " + std::to_string(counts[row]) +
                    " more exceed the key-value cache of " + std::to_string(capacity_));
  }
}

void KeyValueCache::advance(const std::vector<int64_t>& counts) {
  check_room(counts);
  for (size_t row = 0; row < counts.size(); ++row) lengths_[row] += counts[row];
}

void KeyValueCache::truncate(const std::vector<int64_t>& lengths) {
  rl::require(lengths.size() == lengths_.size(),
              "KeyValueCache: expected " + std::to_string(lengths_.size()) + " rows, found " +
                  std::to_string(lengths.size()));
  for (size_t row = 0; row < lengths.size(); ++row) {
    rl::require(lengths[row] >= 0 && lengths[row] <= lengths_[row],
                "row " + std::to_string(row) + ": " + std::to_string(lengths[row]) +
                    " tokens cannot stay of " + std::to_string(lengths_[row]));
  }
  lengths_ = lengths;
}

Tensor KeyValueCache::keys(int64_t layer) const { return keys_[layer].narrow(0, 0, rows()); }
Tensor KeyValueCache::values(int64_t layer) const { return values_[layer].narrow(0, 0, rows()); }

}  // namespace agents
