#include "distill/interrupt.h"

#include <array>
#include <csignal>

namespace distill {
namespace {

// A handler can reach nothing else.
volatile std::sig_atomic_t g_interrupted = 0;
std::array<struct sigaction, 2> g_before;
constexpr std::array kSignals = {SIGINT, SIGTERM};

void note(int) { g_interrupted = 1; }

}  // namespace

InterruptGuard::InterruptGuard() {
  g_interrupted = 0;
  struct sigaction action {};
  action.sa_handler = note;
  // The default comes back with the first signal; calls that it interrupts go on.
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &g_before[i]);
}

InterruptGuard::~InterruptGuard() {
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &g_before[i], nullptr);
}

bool InterruptGuard::interrupted() const { return g_interrupted != 0; }

}  // namespace distill
