#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace envs {

/// Learns byte-pair encoding: merges the most frequent pair of neighbours, again and again; of
/// equally frequent pairs the one whose parts were learned first. Deterministic.
///
/// Source: Sennrich et al. 2016, arXiv:1508.07909, algorithm 1.
///
/// @param words how often each word occurs; pieces never cross the ends of words.
/// @param alphabet the characters that pieces may hold.
/// @param count how many pieces to learn; fewer where no pair occurs twice.
/// @param longest of a piece, in characters.
/// @return pieces of two characters or more, in the order in which they were learned.
std::vector<std::string> learn_pieces(const std::map<std::string, int64_t>& words,
                                      const std::vector<std::string>& alphabet, int64_t count,
                                      int64_t longest);

}  // namespace envs
