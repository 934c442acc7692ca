#include "distill/interrupt.h"

#include <gmock/gmock.h>

#include <csignal>

namespace distill {
namespace {

TEST(InterruptGuard, TakesTheFirstSignalAsAWish) {
  const InterruptGuard guard;
  EXPECT_FALSE(guard.interrupted());
  std::raise(SIGINT);
  EXPECT_TRUE(guard.interrupted());
}

TEST(InterruptGuard, TakesTerminationAsOneToo) {
  const InterruptGuard guard;
  std::raise(SIGTERM);
  EXPECT_TRUE(guard.interrupted());
}

TEST(InterruptGuardDeathTest, LetsTheSecondSignalEndTheProgram) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        const InterruptGuard guard;
        std::raise(SIGINT);
        std::raise(SIGINT);
      },
      testing::KilledBySignal(SIGINT), "");
}

TEST(InterruptGuard, BeginsAnewEachTime) {
  {
    const InterruptGuard first;
    std::raise(SIGINT);
  }
  EXPECT_FALSE(InterruptGuard().interrupted());
}

}  // namespace
}  // namespace distill
