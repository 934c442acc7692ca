#include "rl/prior_notes.h"

#include <vector>

#include "rl/check.h"
#include "rl/torch.h"

namespace rl {

std::string prior_note(int64_t prior, const std::string& what) {
  return "prior" + std::to_string(prior) + "." + what;
}

Tensor prior_notes(const Trajectory& trajectory, const std::string& what,
                   const std::string& prefix) {
  std::vector<Tensor> columns;
  while (true) {
    const auto found =
        trajectory.notes.find(prefix + prior_note(static_cast<int64_t>(columns.size()), what));
    if (found == trajectory.notes.end()) break;
    columns.push_back(found->second);
  }
  require(!columns.empty(), "nothing is noted of several priors: " + prefix + what);
  return torch::stack(columns, -1);
}

}  // namespace rl
