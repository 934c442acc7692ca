// What methods with several teachers are made of, and how a run file names them.

#include <gmock/gmock.h>

#include "distill/component_options.h"
#include "distill/components/components.h"
#include "distill/registry.h"
#include "distill/run_config.h"
#include "distill/yaml.h"
#include "rl/torch.h"
#include "tests/distill/expect_error.h"

namespace distill {
namespace {

AgentSpec build(const std::string& name, const std::string& yaml) {
  const Options options = yaml.empty() ? Options() : parse_yaml(yaml, "run.yaml");
  const MethodSpec method = find_method(name).build(options);
  check_components(method);
  return method.stages.at(0).agent;
}

TEST(TeacherEnsemble, TrainsItsGateByTheLabelsAndItsStudentByTheMixture) {
  const AgentSpec agent = build("teacher_ensemble", "kd_ratio: 0.25\npatience: 3");
  EXPECT_EQ(agent.judge.name, "teachers");
  EXPECT_EQ(agent.patience, 3);
  ASSERT_EQ(agent.learners.size(), 2u);
  const RewardSpec& student = agent.learners[0].objectives[0].reward;
  EXPECT_EQ(student.terms[0].term.name, "forward_kl");
  EXPECT_EQ(student.terms[0].weight, -0.25);
  EXPECT_EQ(student.terms[1].term.name, "log_likelihood");
  EXPECT_EQ(agent.learners[1].trains, "gate");
  EXPECT_EQ(agent.learners[1].objectives[0].loss.name, "mixture_likelihood");
  EXPECT_TRUE(agent.learners[1].objectives[0].reward.terms.empty());
}

TEST(TeacherEnsemble, OfEvenWeightsLearnsNothingOfItsTeachers) {
  const AgentSpec agent = build("teacher_ensemble", "weights: even\nkd_ratio: 1");
  EXPECT_EQ(agent.learners.size(), 1u);
  EXPECT_EQ(agent.learners[0].objectives[0].reward.terms.size(), 1u);
}

TEST(TeacherEnsemble, RefusesWhatItIsNot) {
  expect_error([] { build("teacher_ensemble", "weights: selector"); },
               "run.yaml:1:10: weights: unknown value \"selector\"", /*is_whole=*/false);
  expect_error([] { build("teacher_ensemble", "per: row"); },
               "run.yaml:1:6: per: unknown value \"row\"", /*is_whole=*/false);
  expect_error([] { build("teacher_ensemble", "kd_ratio: 0"); },
               "run.yaml:1:11: needs 0 < kd_ratio <= 1, found kd_ratio: 0");
  expect_error([] { build("teacher_ensemble", "beta: 0.3"); }, "divergence: jsd where beta",
               /*is_whole=*/false);
  expect_error([] { build("teacher_ensemble", "patience: -1"); },
               "run.yaml:1:11: needs patience >= 0, found patience: -1");
}

TEST(TeacherSelection, PaysTheSelectorWhatItsNameSays) {
  const auto terms = [](const std::string& yaml) {
    std::vector<std::string> names;
    for (const auto& part : build("teacher_selection", yaml).hindsight.terms) {
      names.push_back(part.term.name);
    }
    return names;
  };
  EXPECT_THAT(terms("reward: r1"), testing::ElementsAre("log_likelihood"));
  EXPECT_THAT(terms("reward: r2"), testing::ElementsAre("log_likelihood", "cross_entropy"));
  EXPECT_THAT(terms("reward: r3"), testing::ElementsAre("log_likelihood", "cross_entropy"));
  const auto share = [](const std::string& yaml) {
    const AgentSpec agent = build("teacher_selection", yaml);
    return bound<SubsetGradientOptions>(agent.learners[1].objectives[0].loss.options).own_share;
  };
  EXPECT_EQ(share("reward: r2"), 1);
  EXPECT_EQ(share("reward: r3\nown_share: 0.25"), 0.25);
}

TEST(TeacherSelection, RefusesWhatItIsNot) {
  expect_error([] { build("teacher_selection", "reward: r4"); },
               "run.yaml:1:9: reward: unknown value \"r4\"", /*is_whole=*/false);
  expect_error([] { build("teacher_selection", "own_share: 0.3"); },
               "run.yaml:1:12: needs reward: r3 where own_share is set, found own_share: 0.3");
  expect_error([] { build("teacher_selection", "reward: r3\nown_share: 2"); },
               "run.yaml:2:12: needs 0 <= own_share <= 1, found own_share: 2");
  expect_error([] { build("teacher_selection", "warm_up: -1"); },
               "run.yaml:1:10: needs warm_up >= 0, found warm_up: -1");
  expect_error([] { build("teacher_selection", "baseline_decay: 1"); },
               "run.yaml:1:17: needs 0 <= baseline_decay < 1, found baseline_decay: 1");
}

// Worked number MT-1: CE 0.693147, KD in its cross-entropy form 0.901091, R2 -1.594239.
TEST(CrossEntropy, IsTheWorkedNumber) {
  const auto row = [](std::vector<double> probs) {
    return torch::tensor(probs, torch::kFloat32).log().unsqueeze(0);
  };
  const rl::Opinion opinion(row({0.5, 0.25, 0.25}), {{}, row({0.7, 0.2, 0.1}), {}, {}, nullptr},
                            torch::zeros({1}, torch::kInt64));
  EXPECT_NEAR(make_reward_term("cross_entropy")(opinion).item<double>(), 0.901091, 1e-6);
  EXPECT_NEAR(make_reward_term("log_likelihood")(opinion).item<double>(), -0.693147, 1e-6);
  const rl::Reward r2 = make_reward({{{"log_likelihood", 1}, {"cross_entropy", -1}}});
  EXPECT_NEAR(r2.columns(opinion).mul(torch::tensor({1.0, -1.0})).sum().item<double>(), -1.594239,
              1e-6);
}

// On a reduced set with everything outside as one action more.
TEST(CrossEntropy, LumpsWhatIsOutside) {
  const rl::Tensor p = torch::tensor({0.6, 0.3, 0.1}), q = torch::tensor({0.5, 0.2, 0.3});
  const rl::Opinion opinion(q.log().unsqueeze(0), rl::top_k(p.log().unsqueeze(0), 1),
                            torch::zeros({1}, torch::kInt64));
  EXPECT_NEAR(make_reward_term("cross_entropy")(opinion).item<double>(),
              -(0.6 * std::log(0.5) + 0.4 * std::log(0.5)), 1e-6);
}

RunConfig read(const std::string& teachers, const std::string& method,
               const std::string& more = "") {
  return to_run_config(parse_yaml("data: {train: {files: [a.jsonl]}}\n" + teachers +
                                      "\nstudent: {path: s}\nmethod: {name: " + method +
                                      "}\ntrain: {steps: 5" + more + "}\n",
                                  "run.yaml"),
                       "run.yaml");
}

constexpr const char* kTwo = "teachers: {large: {path: a}, small: {path: b}}";

TEST(Teachers, AreReadInOrderAndPrinted) {
  const RunConfig run = read(kTwo, "teacher_ensemble");
  const StageConfig& stage = run.stages.front();
  ASSERT_EQ(stage.teachers.size(), 2u);
  EXPECT_EQ(stage.teachers[0].first, "large");
  EXPECT_EQ(compared_teacher(stage), "large");
  EXPECT_EQ(stage.tokenizer.path, "a");
  const std::string text = to_yaml(to_options(run));
  EXPECT_EQ(to_yaml(to_options(to_run_config(parse_yaml(text, "again"), "again"))), text);
}

TEST(Teachers, OneOfThemIsComparedWith) {
  const RunConfig run =
      read(std::string(kTwo) + "\nevaluate: {teacher: small}", "teacher_ensemble");
  EXPECT_EQ(compared_teacher(run.stages.front()), "small");
  expect_error(
      [] { read(std::string(kTwo) + "\nevaluate: {teacher: smal}", "teacher_ensemble"); },
      "evaluate.teacher: unknown teacher \"smal\"; did you mean \"small\"? known: large, small",
      /*is_whole=*/false);
}

TEST(Teachers, AreOneOrSeveralAsTheMethodAsks) {
  expect_error([] { read(kTwo, "kd"); }, "method kd asks one teacher: name it under teacher",
               /*is_whole=*/false);
  expect_error([] { read("teacher: {path: a}", "teacher_selection"); },
               "method teacher_selection asks several teachers: name them under teachers",
               /*is_whole=*/false);
  expect_error([] { read("", "teacher_selection"); },
               "needs a map of teachers for the method teacher_selection", /*is_whole=*/false);
  expect_error([] { read("teachers: {one: {path: a}}", "teacher_ensemble"); },
               "teachers: a map of at least two", /*is_whole=*/false);
  expect_error([] { read(std::string(kTwo) + "\nteacher: {path: a}", "teacher_ensemble"); },
               "one of teacher and teachers", /*is_whole=*/false);
}

TEST(Teachers, OfAStageReplaceTheOneOfTheFile) {
  const RunConfig run = to_run_config(
      parse_yaml("data: {train: {files: [a.jsonl]}}\nteacher: {path: a}\nstudent: {path: s}\n"
                 "train: {steps: 5}\nstages:\n  one: {method: {name: kd}}\n"
                 "  two: {teachers: {x: {stage: one}, y: {path: b}}, method: {name: "
                 "teacher_ensemble}}\n",
                 "run.yaml"),
      "run.yaml");
  EXPECT_FALSE(run.stage("two").teacher);
  EXPECT_THAT(run.stage("two").needs, testing::ElementsAre("one"));
}

TEST(Patience, NeedsEvaluations) {
  expect_error([] { read(kTwo, "teacher_ensemble, patience: 2"); }, "evaluate_every",
               /*is_whole=*/false);
  expect_error([] { read(kTwo, "teacher_selection, reward: r3"); }, "evaluate_every",
               /*is_whole=*/false);
  EXPECT_NO_THROW(read(kTwo, "teacher_ensemble, patience: 2", ", evaluate_every: 1"));
}

}  // namespace
}  // namespace distill
