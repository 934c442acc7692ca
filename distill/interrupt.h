#pragma once

namespace distill {

/// While it lives, the first Ctrl-C (or SIGTERM) only sets a flag, so that a run can finish its update
/// and write a checkpoint; the second ends the program at once. One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  bool interrupted() const;
};

}  // namespace distill
