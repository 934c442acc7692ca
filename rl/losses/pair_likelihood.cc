#include "rl/losses/pair_likelihood.h"

#include "rl/check.h"
#include "rl/opinion.h"
#include "rl/pairs.h"
#include "rl/torch.h"

namespace rl {

LossOutput PairLikelihood::operator()(const LossInput& input) const {
  const Trajectory& t = input.trajectory;
  require(t.notes.count(kFirstShare) > 0 && t.notes.count(kSecondAction) > 0,
          "pair_likelihood learns from mixed pairs, found rows that are none");
  const Tensor& share = t.notes.at(kFirstShare);
  Trajectory second = t;
  second.action = t.notes.at(kSecondAction);
  const auto unlikeliness = [&](const Trajectory& of, const Tensor& weight) {
    return sum_states(
               input.online, of, weight, {-1.0},
               [](const Opinion& opinion) { return opinion.action_log_prob().unsqueeze(-1); })
        .total;
  };
  return {unlikeliness(t, input.weight * share) + unlikeliness(second, input.weight * (1 - share)),
          {}};
}

}  // namespace rl
