// Custom: the answers to the five questions, spelled out in the run file.
//
// Agent:  `source` visits the states, `judge` judges them among `actions`, `memory` remembers them.
// Reward: of each objective of each learner, a list of terms and weights; `paid` for whole trajectories.
// Source: any method in this form: `decant methods NAME --expand` prints it.

#include "distill/methods/methods.h"

namespace distill {

MethodSpec custom(const Options& options) { return {.stages = {{"custom", agent_spec(options)}}}; }

}  // namespace distill
