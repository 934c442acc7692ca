#include "rl/metrics.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>

namespace rl {
namespace {

using testing::HasSubstr;

class MetricsFile : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }
  std::string text() const {
    std::ostringstream bytes;
    bytes << std::ifstream(path_, std::ios::binary).rdbuf();
    return bytes.str();
  }
  void write(const std::string& bytes) const { std::ofstream(path_, std::ios::binary) << bytes; }

  const std::string path_ = std::filesystem::temp_directory_path() /
                            ("decant_metrics_" + std::to_string(::getpid()) + ".jsonl");
};

TEST(Metrics, MergeUnderAPrefix) {
  Metrics metrics{{"loss", 1}};
  merge(metrics, {{"loss", 2}}, "policy/");
  EXPECT_EQ(metrics, (Metrics{{"loss", 1}, {"policy/loss", 2}}));
  EXPECT_THROW(merge(metrics, {{"loss", 2}}), std::invalid_argument);
}

TEST_F(MetricsFile, HoldsOneObjectPerLine) {
  MetricsLog log(path_, -1);
  log.write(1, {{"b", .1}, {"a", 2}});
  log.write(3, {{"c", std::nan("")}, {"d", -std::numeric_limits<double>::infinity()}});
  EXPECT_EQ(text(),
            "{\"step\":1,\"a\":2,\"b\":0.1}\n"
            "{\"step\":3,\"c\":null,\"d\":null}\n");
}

TEST_F(MetricsFile, WritesNumbersThatReadBackTheSame) {
  MetricsLog(path_, -1).write(0, {{"x", 1.0 / 3}});
  EXPECT_THAT(text(), HasSubstr("0.3333333333333333}"));
}

TEST_F(MetricsFile, ANewRunBeginsAnEmptyFile) {
  write("{\"step\":9}\n");
  const MetricsLog log(path_, -1);
  EXPECT_EQ(text(), "");
}

TEST_F(MetricsFile, AResumedRunLeavesTheFileOfOneThatNeverStopped) {
  const auto run = [&](MetricsLog& log, int64_t first, int64_t last) {
    for (int64_t step = first; step <= last; ++step) {
      log.write(step, {{"loss", 1.0 / static_cast<double>(step)}});
    }
  };
  {
    MetricsLog log(path_, -1);
    run(log, 1, 9);
  }
  const std::string whole = text();
  {
    MetricsLog log(path_, -1);
    run(log, 1, 6);
  }
  write(text() + "{\"step\":7,\"lo");  // killed in the middle of a line
  MetricsLog log(path_, 4);
  run(log, 5, 9);
  EXPECT_EQ(text(), whole);
}

TEST_F(MetricsFile, ResumesWithoutAFile) {
  MetricsLog log(path_, 4);
  log.write(5, {});
  EXPECT_EQ(text(), "{\"step\":5}\n");
}

TEST_F(MetricsFile, NamesALineThatCannotBeRead) {
  write("{\"step\":1}\nnonsense\n");
  try {
    const MetricsLog log(path_, 4);
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(error.what(), path_ + ": line 2: expected an object with a \"step\"");
  }
}

TEST_F(MetricsFile, RefusesStepsThatDoNotRiseAndReservedNames) {
  MetricsLog log(path_, -1);
  log.write(2, {});
  EXPECT_THROW(log.write(2, {}), std::invalid_argument);
  EXPECT_THROW(log.write(3, {{"step", 1}}), std::invalid_argument);
  EXPECT_EQ(text(), "{\"step\":2}\n");
}

TEST_F(MetricsFile, NamesAPathThatCannotBeOpened) {
  try {
    const MetricsLog log(path_ + "/none", -1);
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr(path_ + "/none: cannot open"));
  }
}

TEST_F(MetricsFile, NamesTheFileWhenTheDiskIsFull) {
  MetricsLog log(path_, -1);
  // A limit on the size of files stands for a disk without room.
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit none{0, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &none);
  std::string message;
  try {
    log.write(1, {});
  } catch (const std::runtime_error& error) {
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(message, path_ + ": cannot write: File too large");
}

}  // namespace
}  // namespace rl
