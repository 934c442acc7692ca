#include "distill/world_evaluation.h"

#include "agents/actors/small_world_actors.h"
#include "agents/policy_teacher.h"
#include "distill/comparison.h"
#include "rl/source.h"
#include "rl/torch.h"

namespace distill {
namespace {

using Policy = std::shared_ptr<const agents::MlpPolicy>;

rl::Trajectory play(const Policy& policy, const WorldTask& task,
                    const agents::SamplingOptions& sampling) {
  const auto world = task.make_world();
  agents::MlpActor actor(policy, sampling, task.seed, "evaluation");
  return rl::play(*world, actor, torch::arange(task.episodes), /*own=*/false);
}

}  // namespace

Returns greedy_returns(const Policy& policy, const WorldTask& task) {
  const rl::Trajectory played = play(policy, task, {.temperature = 0});
  const rl::Tensor returns = (played.reward * played.mask).to(torch::kFloat64).sum(1);
  return {returns.mean().item<double>(), returns.std(/*unbiased=*/false).item<double>()};
}

ModelScores evaluate(const std::string& name, const Policy& policy, const WorldTask& task) {
  ModelScores scores;
  scores.name = name;
  const Returns returns = greedy_returns(policy, task);
  scores.mean_return = returns.mean;
  scores.return_deviation = returns.deviation;
  if (!task.teacher || task.teacher == policy) return scores;
  const agents::PolicyTeacher teacher(task.teacher, agents::OfferOptions());
  const auto from_teacher = [&](const Policy& visitor) {
    return *compare_policies(*policy, &teacher, play(visitor, task, {}), {}).to_teacher;
  };
  const Comparison::ToTeacher at_teachers = from_teacher(task.teacher);
  scores.forward_kl = at_teachers.forward_kl;
  scores.reverse_kl = at_teachers.reverse_kl;
  scores.top1_agreement = at_teachers.top1_agreement;
  scores.own_reverse_kl = from_teacher(policy).reverse_kl;
  return scores;
}

}  // namespace distill
