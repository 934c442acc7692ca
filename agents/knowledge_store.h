#pragma once

/// What a student may look up: texts, what a teacher says of them, and where they lie in its space.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rl/tensor.h"

namespace agents {

struct StoredText {
  std::string text;
  int64_t label = 0;   // what it was written for
  std::string source;  // "generated", or "examples" for one that somebody wrote
};

/// A folder of
///
///     manifest.json           format, counts, dimensions, labels, sources, checksums
///     examples.jsonl          a line for each text: text, label, source, the teacher's soft labels
///     embeddings.safetensors  embeddings and soft labels, to the bit
///     index.faiss             the embeddings' directions, ready for search
struct KnowledgeStore {
  std::vector<StoredText> texts;
  std::vector<std::string> labels;
  rl::Tensor probs;       // float32[N, C], the teacher's soft labels
  rl::Tensor embeddings;  // float32[N, D], the teacher's

  int64_t size() const { return static_cast<int64_t>(texts.size()); }

  /// Each file is written beside and renamed, the manifest last: a folder that has one is whole.
  void save(const std::string& folder) const;
  /// @throws std::runtime_error naming the file and what is missing, damaged or does not fit.
  static KnowledgeStore load(const std::string& folder);

  /// The given texts, in order.
  KnowledgeStore select(const std::vector<int64_t>& rows) const;
};

/// Which texts to keep, in order: those that equal none before them, and whose three-word sequences are not
/// those of one kept before them to this share or more (Jaccard).
///
/// @param near in (0, 1]; 1: only texts of equal sequences are left out.
std::vector<int64_t> distinct_texts(const std::vector<std::string>& texts, double near);

/// Exact search by cosine.
class NearestItems {
 public:
  /// @param embeddings float32[N, D], N >= 1.
  explicit NearestItems(const rl::Tensor& embeddings);
  ~NearestItems();
  NearestItems(NearestItems&&) noexcept;

  struct Found {
    rl::Tensor similarity;  // float32[n, k], falling
    rl::Tensor item;        // int64[n, k]
  };
  /// @param queries float32[n, D]. @param k at most N are found.
  Found search(const rl::Tensor& queries, int64_t k) const;
  int64_t size() const;

  void save(const std::string& path) const;

 private:
  struct Index;
  std::unique_ptr<Index> index_;
};

}  // namespace agents
