#pragma once

#include <tbb/enumerable_thread_specific.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "envs/token/segmenter.h"

namespace envs {

struct BpeOptions {
  std::string unk_token;       // stands for characters outside the vocabulary; "" drops them
  bool fuse_unk = false;       // one unk for a run of such characters
  bool byte_fallback = false;  // such characters become byte tokens where those exist
  bool ignore_merges = false;  // a piece that is a token as a whole is never cut
};

/// Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909): starts from characters and merges
/// the pair of the lowest rank, the leftmost of equals, until no pair is known.
///
/// May be used from several threads at once; each remembers the short pieces it has met.
class Bpe : public Segmenter {
 public:
  /// @param merges pairs of token strings, the first to be merged first.
  /// @throws std::invalid_argument for a merge whose parts or result are not in the vocabulary.
  Bpe(Vocabulary vocabulary, const std::vector<std::pair<std::string, std::string>>& merges,
      BpeOptions options);

  void encode(std::string_view piece, std::vector<int64_t>& ids) const override;

  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  struct Merge {
    int32_t rank;
    int32_t id;
  };
  using Cache = std::unordered_map<std::string, std::vector<int64_t>, StringHash, std::equal_to<>>;

  void encode_short(std::string_view piece, std::vector<int64_t>& ids) const;
  void encode_anew(std::string_view piece, std::vector<int64_t>& ids) const;
  void encode_in_parts(std::string_view piece, std::vector<int64_t>& ids) const;
  bool may_join(char32_t left, char32_t right) const;
  bool is_unk(char32_t character) const;
  std::vector<int32_t> characters(std::string_view piece) const;
  void add_bytes_or_unk(std::string_view character, bool after_unk,
                        std::vector<int32_t>& symbols) const;
  const Merge* merge_of(int32_t left, int32_t right) const;
  void merge_few(std::vector<int32_t>& symbols) const;
  void merge_many(std::vector<int32_t>& symbols) const;

  Vocabulary vocabulary_;
  BpeOptions options_;
  int32_t unk_id_ = -1;
  std::vector<int32_t> byte_ids_;  // 256 byte tokens, -1 where missing
  std::unordered_map<uint64_t, Merge> merges_;
  std::unordered_set<uint64_t> joints_;  // neighbouring characters that some merge joins
  bool may_cut_ = false;                 // whether joints_ says all
  mutable tbb::enumerable_thread_specific<Cache> caches_;
};

}  // namespace envs
