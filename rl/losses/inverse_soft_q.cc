#include "rl/losses/inverse_soft_q.h"

#include "rl/check.h"
#include "rl/torch.h"

namespace rl {
namespace {

// Columns worked out per state.
enum Column : int64_t { kTaken, kValue, kSupport, kLogProb, kColumns };

}  // namespace

InverseSoftQ::InverseSoftQ(InverseSoftQOptions options) : options_(options) {
  require(options.tail == ops::Tail::drop || options.tail == ops::Tail::lump ||
              options.tail == ops::Tail::support,
          "inverse soft Q-learning takes the tail lump, drop or support");
  require(options.out_of_set != OutOfSet::tail || options.tail == ops::Tail::lump,
          "an action outside the set can only be the tail action if the tail is lumped");
  require(options.gamma >= 0 && options.gamma <= 1,
          "gamma must be in [0, 1], found " + std::to_string(options.gamma));
  require(options.entropy_temperature > 0,
          "entropy_temperature must be > 0, found " + std::to_string(options.entropy_temperature));
  require(options.own_steps || !options.chi2_on_own, "chi2_on_own needs own_steps");
}

Trajectory InverseSoftQ::prepare(const Trajectory& part, const PolicyModel& policy,
                                 const Reward& reward) const {
  (void)policy;
  (void)reward;
  return part.with_note(kLearned, slot_of(part.actions, part.action) >= 0);
}

Tensor InverseSoftQ::columns(const Opinion& opinion) const {
  const Tensor shift =
      ops::gauge_shift(options_.gauge, opinion.max_logit(), opinion.log_normalizer());
  const Tensor q = ops::gauged(opinion.logits(), shift, options_.q_min);
  const bool reduced = !opinion.actions().is_full();
  Tensor tail_q;
  if (options_.tail == ops::Tail::lump && reduced) {
    tail_q = ops::gauged(opinion.tail_log_prob() + opinion.log_normalizer(), shift, options_.q_min);
  }
  Tensor taken = ops::gauged(opinion.action_logit(), shift, options_.q_min);
  if (tail_q.defined()) taken = torch::where(opinion.slot() < 0, tail_q, taken);
  Tensor support = torch::zeros_like(taken);
  if (options_.tail == ops::Tail::support && reduced) {
    support = -opinion.log_probs().logsumexp(-1);
  }
  return torch::stack({taken, ops::soft_value(q, tail_q, options_.entropy_temperature), support,
                       opinion.action_log_prob().detach()},
                      -1);
}

Tensor InverseSoftQ::per_step(const ops::TdDistillation& td, const LossInput& input) const {
  if (!options_.own_steps) return td.loss;
  const Tensor& own = input.trajectory.second;
  require(own.defined(), "own_steps needs rows of a mixture");
  const Tensor demonstrated =
      own.logical_not().unsqueeze(1).to(torch::kFloat32) / input.first_share.clamp_min(1e-12);
  // V(s) - gamma V(s'): the two Q cancel.
  const Tensor fall = td.likelihood + td.implied_reward;
  return fall + demonstrated * (td.support - td.implied_reward) +
         (options_.chi2_on_own ? td.chi2 : demonstrated * td.chi2);
}

LossOutput InverseSoftQ::operator()(const LossInput& input) const {
  const Trajectory& t = input.trajectory;
  const auto look = [&](const PolicyOutput& policy) {
    return map_states(
        policy, t, t.state_mask, [&](const Opinion& o) { return columns(o); }, kColumns);
  };
  const Tensor found = look(input.online);
  Tensor reached_value;
  if (options_.use_target) {
    torch::NoGradGuard no_grad;
    reached_value = look(*input.target).select(-1, kValue);
  }
  const ops::TdDistillation td = ops::td_distillation(
      found.select(-1, kTaken), found.select(-1, kValue), found.select(-1, kSupport),
      t.discount * options_.gamma, input.weight != 0, options_.td, reached_value);
  const auto mean = [&](const Tensor& x) { return (x.detach() * input.weight).sum(); };
  LossOutput output{(per_step(td, input) * input.weight).sum(), {}};
  output.metrics.sums["likelihood"] = mean(td.likelihood);
  output.metrics.sums["chi2"] = mean(td.chi2);
  output.metrics.sums["support"] = mean(td.support);
  output.metrics.sums["implied_reward"] = mean(td.implied_reward);
  output.metrics.maxima["log_prob_difference"] =
      log_prob_difference(t, found.select(-1, kLogProb), input.weight != 0);
  return output;
}

}  // namespace rl
