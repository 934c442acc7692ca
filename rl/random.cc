#include "rl/random.h"

#include <numeric>
#include <utility>

#include "rl/check.h"
#include "rl/torch.h"

namespace rl {
namespace {

constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;

uint32_t low(uint64_t x) { return static_cast<uint32_t>(x); }
uint32_t high(uint64_t x) { return static_cast<uint32_t>(x >> 32); }

}  // namespace

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t a = uint64_t{kMultiplier0} * counter[0];
    const uint64_t b = uint64_t{kMultiplier1} * counter[2];
    counter = {high(b) ^ counter[1] ^ key[0], low(b), high(a) ^ counter[3] ^ key[1], low(a)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

uint64_t role_key(uint64_t seed, std::string_view role) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : role) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  const auto mixed = philox({low(seed), high(seed), 0, 0}, {low(hash), high(hash)});
  return uint64_t{mixed[1]} << 32 | mixed[0];
}

uint64_t random_bits(uint64_t key, uint64_t episode, uint64_t step) {
  const auto bits =
      philox({low(episode), high(episode), low(step), high(step)}, {low(key), high(key)});
  return uint64_t{bits[1]} << 32 | bits[0];
}

double uniform(uint64_t key, uint64_t episode, uint64_t step) {
  return static_cast<double>(random_bits(key, episode, step) >> 11) * 0x1.0p-53;
}

Tensor uniform(uint64_t key, const Tensor& episode, const Tensor& step) {
  expect_shape(step, {episode.size(0)}, "step");
  const Tensor e = episode.to(torch::kCPU).contiguous(), s = step.to(torch::kCPU).contiguous();
  Tensor result = torch::empty({e.size(0)}, torch::kFloat64);
  for (int64_t i = 0; i < e.size(0); ++i) {
    result.data_ptr<double>()[i] = uniform(key, static_cast<uint64_t>(e.data_ptr<int64_t>()[i]),
                                           static_cast<uint64_t>(s.data_ptr<int64_t>()[i]));
  }
  return result.to(episode.device());
}

int64_t uniform_integer(uint64_t key, uint64_t episode, uint64_t step, int64_t bound) {
  return static_cast<int64_t>(uniform(key, episode, step) * static_cast<double>(bound));
}

std::vector<int64_t> permutation(int64_t n, uint64_t key, uint64_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = n - 1; i > 0; --i) {
    const int64_t j = uniform_integer(key, epoch, static_cast<uint64_t>(i), i + 1);
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(j)]);
  }
  return order;
}

}  // namespace rl
