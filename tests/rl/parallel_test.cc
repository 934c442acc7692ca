#include "rl/parallel.h"

#include <gmock/gmock.h>

#include <stdexcept>
#include <vector>

namespace rl {
namespace {

TEST(Workers, DoEverythingOnce) {
  for (const int threads : {1, 2, 5}) {
    const Workers workers(threads);
    for (const int64_t size : {0, 1, 10, 11, 1000}) {
      std::vector<int> done(static_cast<size_t>(size), 0);
      workers.run_blocks(size, 10, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++done[static_cast<size_t>(i)];
      });
      EXPECT_THAT(done, testing::Each(1));
    }
  }
}

TEST(Workers, PassErrorsOn) {
  const Workers workers(2);
  const auto fail = [](int64_t begin, int64_t) {
    if (begin > 0) throw std::invalid_argument("wrong");
  };
  EXPECT_THROW(workers.run_blocks(1000, 10, fail), std::invalid_argument);
}

}  // namespace
}  // namespace rl
