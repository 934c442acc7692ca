#pragma once

#include <cstdint>
#include <vector>

namespace distill {

/// How much each text repeats the others: its BLEU with all the others as references, in [0, 1].
///
/// Sequences of 1 to `order` tokens count, or of as many as the text has, with equal weights; longer ones
/// than one with 1 added to matches and to counts, so that one order without a match does not make
/// all nothing. A text without tokens, and one that has no others, repeats nothing.
///
/// Source: Zhu et al. 2018, "Texygen", arXiv:1802.01886, section 4; Papineni et al. 2002, "BLEU"; Lin and Och
/// 2004, "ORANGE", section 4 (the added counts).
std::vector<double> self_bleu(const std::vector<std::vector<int64_t>>& texts, int64_t order);

/// The share of sequences of `order` tokens, over all texts, that differ from each other; 0 where there is none.
///
/// Source: Li et al. 2016, "A Diversity-Promoting Objective Function", arXiv:1510.03055 (distinct-n).
double distinct_share(const std::vector<std::vector<int64_t>>& texts, int64_t order);

}  // namespace distill
