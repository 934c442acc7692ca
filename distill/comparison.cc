#include "distill/comparison.h"

#include "rl/batching.h"
#include "rl/opinion.h"
#include "rl/ops/divergence.h"
#include "rl/torch.h"

namespace distill {
namespace {

using rl::Tensor;

// Mass of log-probabilities on the actions of a set.
Tensor mass_on(const Tensor& log_probs, const rl::ActionSet& set) {
  if (set.is_full()) return torch::ones_like(log_probs.select(-1, 0));
  const Tensor gathered = log_probs.gather(-1, set.ids.clamp_min(0)).exp();
  return gathered.masked_fill(set.valid().logical_not(), 0).sum(-1);
}

Tensor compare(const rl::Opinion& opinion, const agents::OfferOptions& offer) {
  const Tensor& log_q = opinion.log_probs();
  const Tensor nats = -opinion.action_log_prob();
  if (!opinion.actions().has_prior()) return nats.unsqueeze(-1);
  const Tensor& log_p = opinion.prior_log_probs();
  const Tensor agreement = (log_p.argmax(-1) == log_q.argmax(-1)).to(torch::kFloat32);
  const rl::ActionSet set = agents::offer(log_p, offer);
  return torch::stack({nats, rl::ops::forward_kl(log_p, log_q), rl::ops::reverse_kl(log_p, log_q),
                       agreement, mass_on(log_p, set), mass_on(log_q, set)},
                      -1);
}

}  // namespace

Comparison compare_policies(const rl::PolicyModel& model, const rl::Prior* teacher,
                            const rl::Trajectory& trajectory, const ComparisonOptions& options) {
  constexpr int64_t kColumns = 6;
  const int64_t columns = teacher == nullptr ? 1 : kColumns;
  const auto parts =
      rl::cut_by_tokens(trajectory, options.micro_batch_tokens, options.threads.shards);
  std::vector<Tensor> sums(parts.size());
  rl::run_parallel(options.threads, static_cast<int64_t>(parts.size()), [&](int64_t i) {
    torch::NoGradGuard no_grad;
    rl::Trajectory part = trajectory.select(parts[static_cast<size_t>(i)]);
    const rl::PolicyOutput output = model.evaluate(part);
    part = part.with(teacher == nullptr ? rl::ActionSet{} : teacher->judge(part))
               .to(output.features.device());
    const Tensor values = rl::map_states(
        output, part, part.mask,
        [&](const rl::Opinion& opinion) { return compare(opinion, options.offer); }, columns);
    sums[static_cast<size_t>(i)] = values.to(torch::kFloat64).flatten(0, 1).sum(0).cpu();
  });
  Tensor total = torch::zeros({kColumns}, torch::kFloat64);
  for (const Tensor& sum : sums) total.narrow(0, 0, columns).add_(sum);
  Comparison means;
  means.states = trajectory.mask.sum().item<double>();
  const auto mean = [&](int64_t column) { return total[column].item<double>() / means.states; };
  means.nats = mean(0);
  if (teacher == nullptr) return means;
  means.to_teacher = {.forward_kl = mean(1),
                      .reverse_kl = mean(2),
                      .top1_agreement = mean(3),
                      .teacher_mass = mean(4),
                      .student_mass = mean(5)};
  return means;
}

}  // namespace distill
