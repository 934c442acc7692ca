#include "distill/combinations.h"

#include <gmock/gmock.h>

#include "distill/component_options.h"
#include "distill/registry.h"
#include "distill/yaml.h"
#include "tests/distill/expect_error.h"

namespace distill {
namespace {

void check_custom(const std::string& yaml) {
  const MethodSpec method = find_method("custom").build(parse_yaml(yaml, "run.yaml"));
  check_components(method);
  check_combination(method.stages.front().agent);
}

void expect_refused(const std::string& yaml, const std::string& reason) {
  expect_error([&] { check_custom(yaml); }, reason, /*is_whole=*/false);
}

TEST(Combinations, OfEveryMethodGoTogether) {
  for (const MethodEntry& method : methods()) {
    for (const StageSpec& stage : method.build({}).stages) {
      EXPECT_NO_THROW(check_combination(stage.agent)) << method.name << " " << stage.name;
    }
  }
}

// Parts of different methods in one: Bellman's loss on the student's own text from a replay, with a divergence.
TEST(Combinations, ThatNobodyHasNamedAreAllowed) {
  EXPECT_NO_THROW(check_custom(R"(
source: {name: mix, student_fraction: 0.5}
actions: {name: top_k, k: 8}
memory: {name: replay, capacity: 100}
learners:
  - objectives:
      - loss: {name: soft_td, tail: lump}
      - {loss: imitation, weight: 0.5, reward: [{term: jsd, weight: -1}]}
)"));
}

TEST(Combinations, NeedARewardToImitate) {
  expect_refused("learners: [{objectives: [{loss: imitation}]}]",
                 "loss imitation differentiates its reward, which has no terms");
}

TEST(Combinations, NeedWhoActedForAPolicyGradient) {
  expect_refused("learners: [{objectives: [{loss: {name: policy_gradient, baseline: none}}]}]",
                 "source dataset holds written episodes");
  expect_refused(
      "source: mix\nlearners: [{objectives: [{loss: {name: policy_gradient, baseline: none}}]}]",
      "source mix holds written episodes (rows: second leaves them out)");
  EXPECT_NO_THROW(check_custom(
      "source: {name: mix, per: example}\nlearners: [{objectives: [{rows: second, loss: {name: "
      "policy_gradient, baseline: none}}]}]"));
}

TEST(Combinations, NeedMixturesForTheLikelihoodOfBothTexts) {
  expect_refused("learners: [{objectives: [{loss: pair_likelihood}]}]", "source mixed_pairs");
  expect_refused(
      "source: mixed_pairs\nlearners: [{objectives: [{rows: second, loss: {name: policy_gradient, "
      "baseline: none}}]}]",
      "source mixed_pairs holds written episodes");
}

TEST(Combinations, NeedTheTeachersThatALossIsAbout) {
  expect_refused("learners: [{objectives: [{loss: aligned}]}]", "judge foreign_teacher");
  expect_refused("learners: [{trains: gate, objectives: [{loss: mixture_likelihood}]}]",
                 "judge teachers");
  expect_refused(
      "judge: foreign_teacher\nlearners: [{objectives: [{loss: imitation, reward: [{term: "
      "forward_kl}]}]}]",
      "reward forward_kl: judge foreign_teacher has other tokens");
}

TEST(Combinations, NeedAllLogitsToCompareThem) {
  expect_refused(
      "actions: top_k\nlearners: [{objectives: [{loss: imitation, reward: [{term: mse_logits}]}]}]",
      "reward mse_logits compares the logits of the whole vocabulary: actions all");
}

TEST(Combinations, NeedClippingOfStaleSteps) {
  expect_refused(
      "source: rollout\nmemory: replay\n"
      "learners: [{objectives: [{loss: {name: policy_gradient, baseline: none}}]}]",
      "set clip, importance_clip or ratio");
  const std::string learners =
      "\nlearners: [{objectives: [{rows: ROWS, loss: {name: policy_gradient, baseline: none}}]}]";
  const auto of = [&](const std::string& rest, const std::string& rows) {
    std::string text = rest + learners;
    return text.replace(text.find("ROWS"), 4, rows);
  };
  for (const std::string kept : {"source: rollout\nmemory: {name: on_policy, epochs: 4}",
                                 "source: rollout\nmemory: {name: on_policy, episodes: 64}"}) {
    expect_refused(of(kept, "all"), "learns from stale steps");
  }
  expect_refused(of("source: adaptive_mix", "second"), "learns from stale steps");
  for (const std::string other :
       {"source: {name: rollout, actor: teacher}", "source: {name: rollout, actor: speculative}"}) {
    expect_refused(of(other, "all"), "not the policy's own (another actor");
  }
  for (const std::string other :
       {"source: {name: mix, per: example, temperature: 0.7}", "source: {name: pairs, top_k: 5}",
        "source: {name: mix, per: example, actor: mixture}"}) {
    expect_refused(of(other, "second"), "not the policy's own (another actor");
  }
}

// What it judged before is no longer its opinion, and the readout that it is read with has moved.
TEST(Combinations, NeedFreshTextForAJudgeThatChanges) {
  const std::string learn =
      "\nlearners: [{objectives: [{loss: imitation, reward: [{term: forward_kl, weight: -1}]}]}]";
  for (const std::string judge :
       {"{name: self, teacher: live}", "{name: self, teacher: average}", "student"}) {
    expect_refused("source: rollout\nmemory: replay\njudge: " + judge + learn,
                   "what it judged is kept");
    expect_refused("source: rollout\nmemory: {name: on_policy, epochs: 2}\njudge: " + judge + learn,
                   "what it judged is kept");
  }
  EXPECT_NO_THROW(check_custom("source: rollout\nmemory: replay\njudge: self" + learn));
}

TEST(Combinations, NeedAContextForEveryEpisodeThatSelfJudges) {
  const std::string learn =
      "\njudge: self\nlearners: [{objectives: [{loss: imitation, reward: [{term: forward_kl, "
      "weight: -1}]}]}]";
  expect_refused("source: {name: rollout, group_size: 2}" + learn, "group_size: 1");
  expect_refused("source: rollout\npatience: 2" + learn, "patience: 0");
}

TEST(Combinations, NeedGroupsOfOneSize) {
  expect_refused(
      "source: {name: rollout, group_size: 4}\nlearners: [{objectives: [{loss: {name: "
      "policy_gradient, baseline: group, group_size: 8}}]}]",
      "group_size 8, but the source plays groups of 4");
}

TEST(Combinations, NeedTheProbabilitiesThatWereActedBy) {
  expect_refused(
      "source: {name: rollout, temperature: 0.7}\nlearners: [{objectives: [{loss: {name: "
      "policy_gradient, baseline: none}}]}]",
      "top_k, top_p, min_p), set clip, importance_clip or ratio");
}

TEST(Combinations, NeedErrorsToDrawBy) {
  expect_refused(
      "memory: {name: replay, prioritized: true}\n"
      "learners: [{objectives: [{loss: imitation, reward: [{term: log_likelihood}]}]}]",
      "which td alone tells");
}

TEST(Combinations, NeedATargetThatIsRenewed) {
  expect_refused("source: segments\nmemory: replay\nlearners: [{objectives: [{loss: td}]}]",
                 "set target to copy or average");
}

TEST(Combinations, NeedAMixtureForSomeOfItsRows) {
  expect_refused(
      "source: rollout\n"
      "learners: [{objectives: [{rows: first, reward: [{term: log_likelihood}]}]}]",
      "rows: first goes with a source of two: mix, adaptive_mix, mixed_pairs or pairs");
}

TEST(Combinations, HaveOneJudgeThatChanges) {
  const std::string learner =
      "learners: [{judge: {name: adapted_teacher, rank: 8}, objectives: [{reward: [{term: "
      "forward_kl}]}]}]";
  const std::string reason = "is the agent's: expected it there with the same options";
  expect_refused(learner, reason);
  expect_refused("judge: adapted_teacher\n" + learner, reason);
  EXPECT_NO_THROW(check_custom("judge: {name: adapted_teacher, rank: 8}\n" + learner));
}

TEST(Combinations, NeedSomebodyWhoIsPaid) {
  expect_refused(
      "source: rollout\npaid: [{term: log_likelihood_of}]\n"
      "learners: [{objectives: [{reward: [{term: log_likelihood}]}]}]",
      "no loss looks at what is paid");
}

// Every place in a run file that is wrong is named with its line.
TEST(Combinations, NameUnknownPartsWithTheirPlace) {
  expect_refused("source: rollout\nlearners: [{objectives: [{loss: imitatoin}]}]",
                 "run.yaml:2:33: unknown loss \"imitatoin\"; did you mean \"imitation\"?");
  expect_refused("judge: nobody", "run.yaml:1:8: unknown judge \"nobody\"");
  expect_refused("learners: [{objectives: [{reward: [{term: log_likelihood, wieght: 2}]}]}]",
                 "unknown key \"wieght\"; did you mean \"weight\"?");
  expect_refused("learners: 3", "run.yaml:1:11: expected a list of learners, found 3");
}

}  // namespace
}  // namespace distill
