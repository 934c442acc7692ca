#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "rl/parallel.h"
#include "rl/tensor.h"
#include "rl/trajectory.h"

namespace rl {

/// Cuts the rows of a batch into parts of at most `part_tokens` positions, padding included (a row
/// longer than that is a part by itself), and into at least `least` parts where there are as many rows.
/// Rows of like length share a part. The cut depends only on the lengths.
///
/// @return int64 row indices of each part; every row stands in exactly one part.
std::vector<Tensor> cut_by_tokens(const Trajectory& batch, int64_t part_tokens, int64_t least);

/// Applies `f` to the parts of a batch, `threads.shards` at a time, and puts the results together in the
/// order of the rows.
Trajectory map_parts(const Trajectory& batch, int64_t part_tokens, const Threads& threads,
                     const std::function<Trajectory(const Trajectory&)>& f);

}  // namespace rl
