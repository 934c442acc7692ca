#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "envs/token/segmenter.h"

namespace envs {

struct UnigramPiece {
  std::string text;
  std::optional<double> score;  // its log-probability; without one it is never found in a text
};

struct UnigramOptions {
  int64_t unk_id = -1;         // stands for characters outside the vocabulary; -1 refuses them
  bool byte_fallback = false;  // such characters become byte tokens where those exist
  bool float_sums = false;     // sums are rounded to float32, as SentencePiece's are
};

/// The unigram language model (Kudo 2018, arXiv:1804.10959): of all ways to cut a text the one with
/// the highest sum of scores, found by Viterbi's algorithm in time linear in the text.
///
/// A character that is no piece scores 10 less than the worst piece; a run of such characters
/// becomes one unknown token. Of equal sums the one with the longest last piece wins, as in
/// SentencePiece and in the `tokenizers` library.
class Unigram : public Segmenter {
 public:
  /// @param pieces in the order of their ids.
  /// @throws std::invalid_argument for an unk_id outside the pieces.
  Unigram(const std::vector<UnigramPiece>& pieces, const UnigramOptions& options);

  /// @throws std::invalid_argument for an unknown character where there is no unk_id.
  void encode(std::string_view piece, std::vector<int64_t>& ids) const override;

  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  struct Node {
    int32_t id = -1;  // of the piece that ends here
    double score = 0;
  };
  // The best way to cut the text up to some byte.
  struct Arrival {
    double sum = 0;
    int32_t id = kNowhere;  // of the last piece
    uint32_t start = 0;     // of the last piece
  };
  static constexpr int32_t kNowhere = -2;

  void add(std::string_view text, const Node& piece);
  std::vector<Arrival> arrivals(std::string_view text) const;
  bool offer_pieces(std::string_view text, size_t start, std::vector<Arrival>& best) const;
  double rounded(double sum) const;
  void append_unknown_backwards(std::string_view run, std::vector<int64_t>& ids) const;

  Vocabulary vocabulary_;
  UnigramOptions options_;
  double unk_score_ = 0;
  std::vector<int64_t> byte_ids_;                    // 256 byte tokens, -1 where missing
  std::vector<Node> nodes_{1};                       // a trie of the pieces
  std::unordered_map<uint64_t, uint32_t> children_;  // by node and byte
};

}  // namespace envs
