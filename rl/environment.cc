#include "rl/environment.h"

#include <stdexcept>

#include "rl/torch.h"

namespace rl {

TimeStep rows_of(const TimeStep& now, const Tensor& rows) {
  const auto pick = [&](const Tensor& x) { return x.defined() ? x.index_select(0, rows) : x; };
  return {pick(now.observation), pick(now.length), now.actions.map(pick), pick(now.reward),
          pick(now.discount),    pick(now.last),   pick(now.episode),     pick(now.step)};
}

TimeStep Environment::load(const State&) {
  throw std::logic_error("this environment is played in whole episodes: it cannot be gone on with");
}

}  // namespace rl
