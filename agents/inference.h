#pragma once

#include "agents/nets/decoder.h"

namespace agents {

/// Ids in any padding moved to the left edge: what decoders read.
struct Unpadded {
  rl::Tensor ids;                // int64[B, T]; 0 behind the end of a row
  std::vector<int64_t> firsts;   // where a row began
  std::vector<int64_t> lengths;  // tokens of a row
};

/// @param ids int64[B, T] on the host.
/// @param attention_mask int64[B, T], 1 for tokens: one run of ones in each row, so padding stands
/// on the left, on the right, or on both sides.
/// @throws std::invalid_argument naming the row whose mask is not one run of ones.
Unpadded unpad(const rl::Tensor& ids, const rl::Tensor& attention_mask);

/// The logits of every token, each row's positions counted from its first token.
///
/// The one place that makes [B, T, V]: for tools and tests. Training applies the head in pieces.
///
/// @param ids, attention_mask as in `unpad`.
/// @return float32[B, T, V] on the host, where `ids` have their tokens; zero at padding.
rl::Tensor logits(Decoder& decoder, const rl::Tensor& ids, const rl::Tensor& attention_mask);

/// The likeliest continuation of each row, without stopping at EOS; ties go to the lower id.
///
/// @param n tokens to generate.
/// @return int64[B, n] on the host.
/// @throws std::invalid_argument if a row is empty or the context too short.
rl::Tensor greedy(Decoder& decoder, const rl::Tensor& ids, const rl::Tensor& attention_mask,
                  int64_t n);

}  // namespace agents
