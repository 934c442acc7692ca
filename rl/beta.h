#pragma once

#include <cstdint>

namespace rl {

/// A draw from Beta(shape, shape), in [0, 1], as a function of (key, episode).
///
/// Source: Marsaglia & Tsang 2000, "A simple method for generating gamma variables",
/// doi:10.1145/358407.358414: X / (X + Y) of two gamma variables.
///
/// @throws std::invalid_argument unless shape > 0.
double symmetric_beta(double shape, uint64_t key, uint64_t episode);

}  // namespace rl
