#include "distill/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ostream>
#include <utility>

namespace distill {
namespace {

using namespace std::chrono_literals;

template <class... Args>
std::string format(const char* pattern, Args... args) {
  std::array<char, 128> buffer;
  std::snprintf(buffer.data(), buffer.size(), pattern, args...);
  return buffer.data();
}

// A line that wraps cannot be written over.
size_t terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79u;
}

}  // namespace

ProgressDisplay::ProgressDisplay(std::ostream& out, bool live, Clock clock)
    : out_(out), live_(live), clock_(std::move(clock)) {}

void ProgressDisplay::begin(const std::string& stage, int64_t log_every) {
  stage_ = stage;
  log_every_ = log_every;
  has_begun_ = false;
}

void ProgressDisplay::update(const ProgressPoint& point) {
  const auto now = clock_();
  last_ = point;
  if (!has_begun_) {
    // A training that goes on from a checkpoint has not just done what stands in it.
    first_ = point;
    first_time_ = now;
    has_begun_ = true;
    shown_time_ = now - 1h;
  }
  if (live_) {
    if (now - shown_time_ < 100ms && point.share < 1) return;
    shown_time_ = now;
    erase();
    shown_ = line(point).substr(0, terminal_width());
    out_ << shown_ << std::flush;
  } else if (point.step % log_every_ == 0 || point.share >= 1) {
    out_ << line(point) << std::endl;
  }
}

void ProgressDisplay::say(const std::string& text) {
  const std::string shown = shown_;
  erase();
  out_ << text << '\n' << shown << std::flush;
  shown_ = shown;
}

void ProgressDisplay::end() {
  if (shown_.empty()) return;
  erase();
  out_ << line(last_) << std::endl;
}

std::string ProgressDisplay::line(const ProgressPoint& point) const {
  std::string text = stage_ + ": step " + std::to_string(point.step);
  if (point.steps > 0) text += "/" + std::to_string(point.steps);
  if (point.steps == 0) text += format(" (%.0f %%)", 100 * point.share);
  text += format(", loss %.4f", point.loss);
  const double seconds = std::chrono::duration<double>(clock_() - first_time_).count();
  if (seconds <= 0 || point.share <= first_.share) return text;
  const double rate = static_cast<double>(point.tokens - first_.tokens) / seconds;
  text += format(", %.0f %s/s", rate, point.unit);
  const double left = seconds * (1 - point.share) / (point.share - first_.share);
  return point.share < 1 ? text + ", " + duration_text(left) + " left"
                         : text + ", took " + duration_text(seconds);
}

void ProgressDisplay::erase() {
  if (!shown_.empty()) out_ << "\r\033[K";
  shown_.clear();
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<long>(std::lround(std::max(0.0, seconds)));
  if (whole < 60) return format("%ld s", whole);
  if (whole < 3600) return format("%ld:%02ld", whole / 60, whole % 60);
  return format("%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
}

bool is_terminal(int descriptor) { return isatty(descriptor) == 1; }

}  // namespace distill
