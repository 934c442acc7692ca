#pragma once

/// What a run shows while it goes on.

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>

namespace distill {

/// Where a training stands.
struct ProgressPoint {
  int64_t step = 0;    // updates done
  int64_t steps = 0;   // in all; 0: a budget of tokens ends it
  int64_t tokens = 0;  // trained tokens so far
  double share = 0;    // of the training done, in [0, 1]
  double loss = 0;
  const char* unit = "tokens";  // what `tokens` counts
};

/// On a terminal one line that is written over; elsewhere a line for every `log_every` updates:
/// "distilled: step 120/1000, loss 1.2345, 5300 tokens/s, 1:23 left".
class ProgressDisplay {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  /// @param live whether `out` is a terminal.
  ProgressDisplay(std::ostream& out, bool live, Clock clock = std::chrono::steady_clock::now);

  /// A new stage; rates are counted from here on.
  void begin(const std::string& stage, int64_t log_every);
  void update(const ProgressPoint& point);
  /// A sentence that stays, above the live line.
  void say(const std::string& text);
  /// Leaves the live line where it is.
  void end();

 private:
  std::string line(const ProgressPoint& point) const;
  void erase();

  std::ostream& out_;
  bool live_;
  Clock clock_;
  std::string stage_, shown_;
  int64_t log_every_ = 1;
  bool has_begun_ = false;  // the first update has been seen
  ProgressPoint first_, last_;
  std::chrono::steady_clock::time_point first_time_, shown_time_;
};

/// "45 s", "1:23", "2:03:04".
std::string duration_text(double seconds);

/// Whether the stream with this file descriptor is a terminal.
bool is_terminal(int descriptor);

}  // namespace distill
