// Retrieval-based transfer, after RetriKT: a teacher writes and labels texts, a student a hundredth of
// its size learns to find the like of a text among them.
//
// Agent:  classifier: the teacher reads labelled texts. soft_prompt: its prompt, one for each label, follows
//         them. soft_prompt_rl: the prompt writes texts of its own. retrieve: the student reads stored ones.
// Reward: soft_prompt_rl: ln P(label asked for | text) of the classifier, minus the text's self-BLEU, minus 1
//         where its length lies outside a band, minus the KL to the prompt as it was.
//         retrieve: minus the KL of the teacher's similarities and the student's, minus that of their labels.
// Source: Liu et al. 2023, "Retrieval-based Knowledge Transfer", arXiv:2310.15594. Its equations are not
//         public to us: rewards, losses and defaults are ours, see docs/methods.md.

#include "distill/methods/methods.h"
#include "distill/methods/parts.h"

namespace distill {
namespace {

AgentSpec reading(ComponentSpec source, std::vector<ObjectiveSpec> objectives) {
  return {.source = std::move(source), .learners = {{.objectives = std::move(objectives)}}};
}

}  // namespace

MethodSpec retrieval(const Options& options) {
  WrittenForLabel worth;  // quality, diversity, length, kl; shortest, longest; order
  OnPolicyOptions memory{.epochs = 4};
  PolicyGradientOptions gradient{.gamma = 1, .clip = 0.2};
  GroupsOptions groups{.size = 32};    // texts that are compared with each other
  double relation = 1, own_label = 1;  // weights of what the student learns, >= 0
  RelationOptions relations;           // teacher_temperature, student_temperature
  const Bindings learned{{"relation", &relation}, {"own_label", &own_label}};
  bind(options, worth.bindings() + memory.bindings() + learned + relations.bindings() +
                    Bindings{{"group_size", &groups.size}} +
                    without(gradient.bindings(), {"baseline", "group_size", "importance_clip"}));
  require_weights(options, learned);
  require(groups.size >= 2, options, "group_size >= 2");
  worth.check(options);
  memory.check(options);
  gradient.check(options);
  relations.check(options);

  const RewardSpec likelihood{{{"log_likelihood", 1}}}, divergence{{{"forward_kl", -1}}};
  AgentSpec writing{
      .source = {"rollout", {{"actor", "student"}}},
      .paid = worth.paid(),
      .memory = {"on_policy", options_of(memory.bindings())},
      .learners = {{.objectives = {{{"policy_gradient", options_of(gradient.bindings())}}}}},
  };
  return {
      .stages = {
          {"classifier", reading({"groups", {{"size", 1}}}, {{"imitation", likelihood}})},
          {"soft_prompt", reading("dataset", {{"imitation", likelihood}})},
          {"soft_prompt_rl", writing},
          {"retrieve", reading({"groups", options_of(groups.bindings())},
                               {{"imitation", divergence, own_label},
                                {{"relation", options_of(relations.bindings())}, {}, relation}})},
      }};
}

}  // namespace distill
