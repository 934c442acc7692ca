#include "rl/beta.h"

#include <cmath>
#include <string>

#include "rl/check.h"
#include "rl/random.h"

namespace rl {
namespace {

// One episode's draws, one after another.
class Draws {
 public:
  Draws(uint64_t key, uint64_t episode) : key_(key), episode_(episode) {}

  // In (0, 1].
  double uniform() { return 1 - rl::uniform(key_, episode_, step_++); }

  double normal() {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * M_PI * uniform());
  }

  // Log of a gamma variable of scale 1: small shapes give numbers that double does not hold.
  double log_gamma(double shape) {
    if (shape < 1) return log_gamma(shape + 1) + std::log(uniform()) / shape;
    const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
    for (;;) {
      const double x = normal(), root = 1 + c * x;
      if (root <= 0) continue;
      const double v = root * root * root;
      if (std::log(uniform()) < x * x / 2 + d - d * v + d * std::log(v)) return std::log(d * v);
    }
  }

 private:
  uint64_t key_, episode_;
  uint64_t step_ = 0;
};

}  // namespace

double symmetric_beta(double shape, uint64_t key, uint64_t episode) {
  require(shape > 0, "Beta(a, a) needs a > 0, found " + std::to_string(shape));
  Draws draws(key, episode);
  const double first = draws.log_gamma(shape), second = draws.log_gamma(shape);
  return 1 / (1 + std::exp(second - first));
}

}  // namespace rl
