#include "rl/losses/imitation.h"

#include "rl/check.h"
#include "rl/ops/masked.h"
#include "rl/torch.h"

namespace rl {

Trajectory Imitation::prepare(const Trajectory& part, const PolicyModel& policy,
                              const Reward& reward) const {
  (void)reward;
  if (!options_.importance) return part;
  const Tensor log_prob = map_states(policy.evaluate(part), part, part.mask,
                                     [](const Opinion& o) { return o.action_log_prob(); });
  const Tensor log_ratio = ops::masked(log_prob - part.behavior_log_prob, part.mask);
  return part.with_note("importance", log_ratio.exp());
}

LossOutput Imitation::operator()(const LossInput& input) const {
  require(!input.reward.terms.empty(), "imitation needs at least one reward term");
  std::vector<double> scale;
  for (double weight : input.reward.weights()) scale.push_back(-weight);
  const Tensor weight =
      options_.importance ? input.weight * input.trajectory.notes.at("importance") : input.weight;
  scale.push_back(0);  // the log-probability only rides along, to be compared with the actor's
  const StateSum sum =
      sum_states(input.online, input.trajectory, weight, scale, [&](const Opinion& opinion) {
        const Tensor rewards = input.reward.columns(opinion);
        const Tensor log_prob = opinion.action_log_prob().detach().unsqueeze(-1);
        return torch::cat({rewards, log_prob}, -1);
      });
  LossOutput output{sum.total, {}};
  for (size_t i = 0; i < input.reward.terms.size(); ++i) {
    const Tensor term = sum.values.select(-1, static_cast<int64_t>(i));
    output.metrics.sums["reward/" + input.reward.terms[i].name] = (term * weight).sum();
  }
  output.metrics.maxima["log_prob_difference"] =
      log_prob_difference(input.trajectory, sum.values.select(-1, -1), input.weight != 0);
  return output;
}

}  // namespace rl
