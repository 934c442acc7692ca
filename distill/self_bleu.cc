#include "distill/self_bleu.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

namespace distill {
namespace {

using Ids = std::vector<int64_t>;
using Counts = std::map<Ids, int64_t>;

Counts counts_of(const Ids& text, int64_t order) {
  Counts counts;
  const auto width = static_cast<size_t>(order);
  for (size_t i = 0; i + width <= text.size(); ++i) {
    ++counts[{text.begin() + static_cast<std::ptrdiff_t>(i),
              text.begin() + static_cast<std::ptrdiff_t>(i + width)}];
  }
  return counts;
}

// How often a sequence occurs in the text that has it most, and in the next.
struct Most {
  int64_t first = 0, second = 0;
  size_t owner = 0;  // of `first`

  void add(int64_t count, size_t text) {
    if (count > first) {
      second = first;
      first = count;
      owner = text;
    } else {
      second = std::max(second, count);
    }
  }
  int64_t besides(size_t text) const { return owner == text ? second : first; }
};

// log of the precision of each text against the others, for sequences of one length.
std::vector<double> log_precisions(const std::vector<Ids>& texts, int64_t order) {
  std::vector<Counts> counts;
  std::map<Ids, Most> most;
  for (size_t i = 0; i < texts.size(); ++i) {
    counts.push_back(counts_of(texts[i], order));
    for (const auto& [sequence, count] : counts.back()) most[sequence].add(count, i);
  }
  const double added = order > 1 ? 1 : 0;
  std::vector<double> result;
  for (size_t i = 0; i < texts.size(); ++i) {
    double matches = added, all = added;
    for (const auto& [sequence, count] : counts[i]) {
      matches += static_cast<double>(std::min(count, most[sequence].besides(i)));
      all += static_cast<double>(count);
    }
    result.push_back(std::log(matches / all));
  }
  return result;
}

// exp(1 - r / c) where the text of c tokens is shorter than the reference nearest in length, of r.
double brevity(const std::vector<Ids>& texts, size_t text) {
  const auto length = [&](size_t i) { return static_cast<int64_t>(texts[i].size()); };
  int64_t nearest = -1;
  const auto distance = [&](int64_t other) { return std::abs(other - length(text)); };
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i == text) continue;
    const bool nearer = nearest < 0 || distance(length(i)) < distance(nearest) ||
                        (distance(length(i)) == distance(nearest) && length(i) < nearest);
    if (nearer) nearest = length(i);
  }
  if (length(text) >= nearest) return 1;
  return std::exp(1 - static_cast<double>(nearest) / static_cast<double>(length(text)));
}

}  // namespace

std::vector<double> self_bleu(const std::vector<std::vector<int64_t>>& texts, int64_t order) {
  std::vector<double> sums(texts.size(), 0);
  for (int64_t n = 1; n <= order; ++n) {
    const std::vector<double> found = log_precisions(texts, n);
    for (size_t i = 0; i < texts.size(); ++i) {
      if (n <= static_cast<int64_t>(texts[i].size())) sums[i] += found[i];
    }
  }
  std::vector<double> result(texts.size(), 0);
  for (size_t i = 0; i < texts.size() && texts.size() > 1; ++i) {
    const auto orders = std::min(order, static_cast<int64_t>(texts[i].size()));
    if (orders == 0) continue;
    result[i] = brevity(texts, i) * std::exp(sums[i] / static_cast<double>(orders));
  }
  return result;
}

double distinct_share(const std::vector<std::vector<int64_t>>& texts, int64_t order) {
  std::set<Ids> different;
  double all = 0;
  for (const Ids& text : texts) {
    for (const auto& [sequence, count] : counts_of(text, order)) {
      different.insert(sequence);
      all += static_cast<double>(count);
    }
  }
  return all == 0 ? 0 : static_cast<double>(different.size()) / all;
}

}  // namespace distill
