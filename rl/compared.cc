#include "rl/compared.h"

#include "rl/torch.h"

namespace rl {

ops::Comparison compared(const Opinion& opinion, ops::Tail tail, double temperature) {
  const Opinion found = opinion.at_temperature(temperature);
  if (found.actions().is_full()) return {found.prior_log_probs(), found.log_probs(), {}, {}, {}};
  const bool with_tail = tail == ops::Tail::lump;
  return ops::compare_on_set(found.prior_log_probs(), found.log_probs(),
                             with_tail ? found.prior_tail_log_prob() : Tensor(),
                             with_tail ? found.tail_log_prob() : Tensor(), tail);
}

}  // namespace rl
