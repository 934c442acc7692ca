#include "rl/batching.h"

#include <algorithm>
#include <numeric>

#include "rl/torch.h"

namespace rl {
namespace {

// Positions a network works on for each row.
std::vector<int64_t> row_lengths(const Trajectory& batch) {
  Tensor length = batch.state_mask.sum(1);
  if (batch.start.defined()) length = length + batch.start;
  const Tensor host = length.to(torch::kCPU, torch::kInt64).contiguous();
  return {host.data_ptr<int64_t>(), host.data_ptr<int64_t>() + host.numel()};
}

}  // namespace

std::vector<Tensor> cut_by_tokens(const Trajectory& batch, int64_t part_tokens, int64_t least) {
  const std::vector<int64_t> lengths = row_lengths(batch);
  std::vector<int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return lengths[static_cast<size_t>(a)] > lengths[static_cast<size_t>(b)];
  });
  int64_t total = std::accumulate(lengths.begin(), lengths.end(), int64_t{0});
  const int64_t budget = std::min(part_tokens, (total + least - 1) / least);
  std::vector<std::vector<int64_t>> parts;
  int64_t widest = 0;
  for (const int64_t row : order) {
    const int64_t length = std::max<int64_t>(1, lengths[static_cast<size_t>(row)]);
    const bool fits =
        !parts.empty() && (static_cast<int64_t>(parts.back().size()) + 1) * widest <= budget;
    if (!fits) {
      parts.emplace_back();
      widest = length;
    }
    parts.back().push_back(row);
  }
  std::vector<Tensor> result;
  for (std::vector<int64_t>& part : parts) {
    std::sort(part.begin(), part.end());
    result.push_back(torch::tensor(part, torch::kInt64).to(batch.action.device()));
  }
  return result;
}

Trajectory map_parts(const Trajectory& batch, int64_t part_tokens, const Threads& threads,
                     const std::function<Trajectory(const Trajectory&)>& f) {
  const std::vector<Tensor> parts = cut_by_tokens(batch, part_tokens, threads.shards);
  std::vector<Trajectory> done(parts.size());
  run_parallel(threads, static_cast<int64_t>(parts.size()), [&](int64_t i) {
    done[static_cast<size_t>(i)] = f(batch.select(parts[static_cast<size_t>(i)]));
  });
  return concatenate(done).select(torch::cat(parts).argsort());
}

}  // namespace rl
