#pragma once

#include <cstdint>

#include "agents/knowledge_store.h"
#include "agents/nets/decoder.h"
#include "rl/trajectory.h"

namespace agents {

struct ContextMemoryOptions {
  int64_t top = 32;          // tokens kept of each context
  int64_t neighbours = 32;   // contexts that are looked at
  double temperature = 0.1;  // of similarities, > 0
};

/// Contexts that a model has read: where they lie in its space, and what may come next. A language model
/// that looks up.
///
/// Source: Khandelwal et al. 2020, "Generalization through Memorization", arXiv:1911.00172 (kNN-LM), with the
/// likeliest tokens of a teacher in place of the one token written, and cosines in place of distances.
class ContextMemory {
 public:
  /// Remembers the states of a trajectory that are to be learned from.
  ///
  /// @param reader in whose space contexts lie.
  /// @param teacher says what comes next: its likeliest tokens, their probabilities renormalised; empty: the
  ///     token that was written.
  /// @param part_tokens positions read at a time.
  ContextMemory(const Decoder& reader, const Decoder& teacher, const rl::Trajectory& trajectory,
                const ContextMemoryOptions& options, int64_t part_tokens);

  int64_t size() const { return index_.size(); }

  /// p_near(token) of contexts given by the reader's hidden states: float32[n].
  ///
  /// @param hidden float[n, D]. @param token int64[n].
  rl::Tensor probs(const rl::Tensor& hidden, const rl::Tensor& token) const;

 private:
  struct Contexts {
    rl::Tensor hidden;  // float32[N, D]
    rl::Tensor ids;     // int64[N, k], likeliest first
    rl::Tensor probs;   // float32[N, k]
  };
  static Contexts read(const Decoder& reader, const Decoder& teacher,
                       const rl::Trajectory& trajectory, int64_t top, int64_t part_tokens);
  ContextMemory(Contexts contexts, const ContextMemoryOptions& options);

  ContextMemoryOptions options_;
  rl::Tensor ids_, probs_;
  NearestItems index_;
};

}  // namespace agents
