#include "distill/progress.h"

#include <gmock/gmock.h>

#include <sstream>

namespace distill {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

struct FakeClock {
  std::shared_ptr<std::chrono::steady_clock::time_point> now =
      std::make_shared<std::chrono::steady_clock::time_point>();
  std::chrono::steady_clock::time_point operator()() const { return *now; }
};

TEST(Progress, WritesALineEverySoManyUpdatesWithoutATerminal) {
  std::ostringstream out;
  FakeClock clock;
  ProgressDisplay display(out, /*live=*/false, clock);
  display.begin("gkd", 2);
  for (int64_t step = 1; step <= 4; ++step) {
    display.update(
        {.step = step, .steps = 4, .tokens = 100 * step, .share = step / 4.0, .loss = 0.5});
    *clock.now += 30s;
  }
  display.end();
  EXPECT_EQ(out.str(),
            "gkd: step 2/4, loss 0.5000, 3 tokens/s, 1:00 left\n"
            "gkd: step 4/4, loss 0.5000, 3 tokens/s, took 1:30\n");
}

TEST(Progress, CountsRatesFromWhereATrainingGoesOn) {
  std::ostringstream out;
  FakeClock clock;
  ProgressDisplay display(out, /*live=*/false, clock);
  display.begin("gkd", 1);
  display.update({.step = 90, .tokens = 90000, .share = 0.9, .loss = 1});
  *clock.now += 10s;
  display.update({.step = 95, .tokens = 95000, .share = 0.95, .loss = 1});
  EXPECT_THAT(out.str(), HasSubstr("gkd: step 95 (95 %), loss 1.0000, 500 tokens/s, 10 s left\n"));
}

TEST(Progress, WritesOverItsLineOnATerminal) {
  std::ostringstream out;
  FakeClock clock;
  ProgressDisplay display(out, /*live=*/true, clock);
  display.begin("gkd", 1);
  display.update({.step = 1, .steps = 9, .tokens = 1, .share = 0.1, .loss = 1});
  display.update({.step = 2, .steps = 9, .tokens = 2, .share = 0.2, .loss = 1});  // too soon
  display.say("a checkpoint");
  *clock.now += 1s;
  display.update({.step = 3, .steps = 9, .tokens = 3, .share = 0.3, .loss = 1});
  display.end();
  EXPECT_EQ(out.str(),
            "gkd: step 1/9, loss 1.0000"
            "\r\033[Ka checkpoint\ngkd: step 1/9, loss 1.0000"
            "\r\033[Kgkd: step 3/9, loss 1.0000, 2 tokens/s, 4 s left"
            "\r\033[Kgkd: step 3/9, loss 1.0000, 2 tokens/s, 4 s left\n");
}

TEST(Duration, IsWrittenAsOneReadsIt) {
  EXPECT_EQ(duration_text(44.6), "45 s");
  EXPECT_EQ(duration_text(83), "1:23");
  EXPECT_EQ(duration_text(7384), "2:03:04");
}

}  // namespace
}  // namespace distill
