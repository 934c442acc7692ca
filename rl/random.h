#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "rl/tensor.h"

namespace rl {

/// Counter-based random numbers: a draw is a function of what it is for (seed, role, episode, step),
/// not of how many were drawn before. A rollout therefore does not change with the composition of the
/// batch, the number of workers or a restart.
///
/// Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", Philox4x32-10.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// The key of a role: the same name gives the same stream on every machine.
uint64_t role_key(uint64_t seed, std::string_view role);

/// 64 random bits of (key, episode, step).
uint64_t random_bits(uint64_t key, uint64_t episode, uint64_t step);

/// Uniform in [0, 1), 53 bits.
double uniform(uint64_t key, uint64_t episode, uint64_t step);

/// Uniform in [0, 1), one per row.
///
/// @param episode, step int64[B], on any device; the draws are made on the host.
/// @return float64[B] on the device of `episode`.
Tensor uniform(uint64_t key, const Tensor& episode, const Tensor& step);

/// Uniform integer in [0, bound), bound >= 1.
int64_t uniform_integer(uint64_t key, uint64_t episode, uint64_t step, int64_t bound);

/// A random order of 0 .. n - 1, a function of (key, epoch).
std::vector<int64_t> permutation(int64_t n, uint64_t key, uint64_t epoch);

}  // namespace rl
