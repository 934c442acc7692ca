#include <gmock/gmock.h>

#include <fstream>

#include "distill/component_options.h"
#include "distill/registry.h"
#include "distill/yaml.h"
#include "tests/distill/expect_error.h"

namespace distill {
namespace {

MethodSpec build(const std::string& name, const std::string& yaml) {
  const Options options = yaml.empty() ? Options() : parse_yaml(yaml, "run.yaml");
  const MethodSpec method = find_method(name).build(options);
  check_components(method);
  return method;
}

const AgentSpec& agent_of(const MethodSpec& method) { return method.stages.at(0).agent; }

class EveryMethod : public testing::TestWithParam<MethodEntry> {};

TEST_P(EveryMethod, BuildsWithItsDefaults) {
  const MethodSpec method = GetParam().build({});
  ASSERT_FALSE(method.stages.empty());
  EXPECT_NO_THROW(check_components(method));
  for (const StageSpec& stage : method.stages) EXPECT_FALSE(stage.agent.learners.empty());
}

TEST_P(EveryMethod, PrintsAndReadsBack) {
  const std::string text = to_yaml(to_options(GetParam().build({})));
  EXPECT_EQ(to_yaml(parse_yaml(text, "spec")), text);
}

TEST_P(EveryMethod, RefusesAnUnknownKey) {
  expect_error([] { GetParam().build(parse_yaml("colour: red", "run.yaml")); },
               "run.yaml:1:1: unknown key \"colour\"", /*is_whole=*/false);
}

TEST_P(EveryMethod, TakesItsOwnDefaults) {
  Options defaults = defaults_of(GetParam());
  EXPECT_FALSE(defaults.empty());
  if (GetParam().name == "kd" || GetParam().name == "teacher_ensemble") {
    defaults.erase("beta");  // these two belong to one divergence of three
    defaults.erase("scale");
  }
  if (GetParam().name == "cross_tokenizer") {
    defaults.erase("merge");  // these two belong to one form of two
    defaults.erase("beta");
  }
  if (GetParam().name == "teacher_selection")
    defaults.erase("own_share");  // to one reward of three
  EXPECT_EQ(to_yaml(to_options(GetParam().build(defaults))),
            to_yaml(to_options(GetParam().build({}))));
}

TEST_P(EveryMethod, HasASectionThatNamesItsOptions) {
  std::ifstream file(DECANT_TEST_FIXTURES "/../../docs/methods.md");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_THAT(text, testing::HasSubstr("\n## " + std::string(GetParam().name) + "\n"));
  const Options defaults = defaults_of(GetParam());
  for (const Options::Entry& option : defaults.entries()) {
    EXPECT_THAT(text, testing::HasSubstr("`" + option.name)) << option.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Registry, EveryMethod,
                         testing::ValuesIn(methods().begin(), methods().end()),
                         [](const auto& entry) { return std::string(entry.param.name); });

TEST(Registry, IsInAlphabeticalOrder) {
  for (size_t i = 1; i < methods().size(); ++i) {
    EXPECT_LT(methods()[i - 1].name, methods()[i].name);
  }
}

TEST(Registry, NamesTheNearestMethod) {
  expect_error(
      [] {
        find_method("gdk", {"run.yaml", 3, 9});
      },
      "run.yaml:3:9: unknown method \"gdk\"; did you mean \"gkd\"? known: a2c, bellman, ",
      /*is_whole=*/false);
}

TEST(Sft, ImitatesTheLikelihoodOfTheDataset) {
  const MethodSpec method = build("sft", "average: sequences");
  EXPECT_EQ(to_yaml(to_options(method)), R"(stages:
  - name: sft
    source: dataset
    actions: all
    memory: on_policy
    learners:
      - trains: student
        objectives:
          - loss:
              name: imitation
              average: sequences
            weight: 1.0
            reward:
              - term: log_likelihood
                weight: 1.0
)");
}

TEST(Kd, MixesInTheWrittenToken) {
  const MethodSpec method = build("kd", "divergence: reverse_kl\nkd_ratio: 0.25");
  const RewardSpec& reward = agent_of(method).learners[0].objectives[0].reward;
  ASSERT_EQ(reward.terms.size(), 2u);
  EXPECT_EQ(reward.terms[0].term.name, "reverse_kl");
  EXPECT_EQ(reward.terms[0].weight, -0.25);
  EXPECT_EQ(reward.terms[1].term.name, "log_likelihood");
  EXPECT_EQ(reward.terms[1].weight, 0.75);
}

TEST(Kd, RefusesABetaThatWouldMeanNothing) {
  expect_error([] { build("kd", "beta: 0.1"); },
               "run.yaml:1:7: needs divergence: jsd where beta or scale is set, found beta: 0.1");
}

TEST(CrossTokenizer, ComparesByRankOrByTheTokensThatBothHave) {
  const auto parts = [](const std::string& yaml) {
    const MethodSpec method = build("cross_tokenizer", yaml);
    const AgentSpec& agent = agent_of(method);
    return bound<ForeignTeacherJudgeOptions>(agent.judge.options).align + ", " +
           bound<AlignedOptions>(agent.learners[0].objectives[0].loss.options).distance;
  };
  EXPECT_EQ(parts(""), "positions, sorted");
  EXPECT_EQ(parts("form: gold\nmerge: observed"), "bytes, hybrid");
  EXPECT_EQ(agent_of(build("cross_tokenizer", "ce_weight: 0")).learners[0].objectives.size(), 1u);
}

TEST(CrossTokenizer, RefusesWhatItIsNot) {
  expect_error([] { build("cross_tokenizer", "beta: 0.3"); }, "form: gold where merge, beta",
               /*is_whole=*/false);
  expect_error([] { build("cross_tokenizer", "form: old"); },
               "run.yaml:1:7: form: unknown value \"old\"", /*is_whole=*/false);
  expect_error([] { build("cross_tokenizer", "form: gold\nmerge: both"); },
               "run.yaml:2:8: merge: unknown value \"both\"", /*is_whole=*/false);
  expect_error([] { build("cross_tokenizer", "kd_weight: 0"); },
               "run.yaml:1:12: needs kd_weight > 0, found kd_weight: 0");
}

TEST(SeqKd, FollowsTheTeacher) {
  const MethodSpec method = build("seq_kd", "temperature: 0");
  const AgentSpec& agent = agent_of(method);
  EXPECT_EQ(agent.source.name, "rollout");
  EXPECT_EQ(*agent.source.options.find("actor")->as<std::string>(), "teacher");
  EXPECT_EQ(*agent.source.options.find("temperature")->as<double>(), 0);
}

TEST(Gkd, EndsInTheTwoKullbackLeiblerDivergences) {
  const auto term = [](const std::string& yaml) {
    return agent_of(build("gkd", yaml)).learners[0].objectives[0].reward.terms[0].term.name;
  };
  EXPECT_EQ(term("beta: 0"), "forward_kl");
  EXPECT_EQ(term("beta: 0.9"), "jsd");
  EXPECT_EQ(term("beta: 1"), "reverse_kl");
}

TEST(Gkd, TakesAScheduleAndAnActionSet) {
  const MethodSpec method =
      build("gkd", "lambda: {from: 0, to: 1}\nactions: {name: top_k, k: 20}\nper: example");
  const AgentSpec& agent = agent_of(method);
  EXPECT_EQ(bound<MixOptions>(agent.source.options).student_fraction.to, 1);
  EXPECT_EQ(agent.actions.name, "top_k");
  EXPECT_EQ(bound<TopKOptions>(agent.actions.options).k, 20);
}

TEST(Gkd, NamesWhatIsOutOfRange) {
  expect_error([] { build("gkd", "beta: 1.5"); },
               "run.yaml:1:7: needs 0 <= beta <= 1, found beta: 1.5");
  expect_error([] { build("gkd", "lambda: {from: 0, to: 2}"); },
               "run.yaml:1:9: needs 0 <= lambda <= 1, found lambda: a map");
  expect_error([] { build("gkd", "actions: {name: top_k, k: 0}"); },
               "run.yaml:1:27: needs k >= 1, found k: 0");
  expect_error([] { build("gkd", "actions: top_kk"); },
               "run.yaml:1:10: unknown action set \"top_kk\"; did you mean \"top_k\"? known: all, "
               "top_k, top_p");
  expect_error([] { build("gkd", "actions: [all]"); },
               "run.yaml:1:10: expected the name of a component or {name: ..., option: value}, "
               "found a list");
}

TEST(Bellman, HasThePapersDefaults) {
  const MethodSpec method = build("bellman", "");
  const AgentSpec& agent = agent_of(method);
  EXPECT_EQ(agent.actions.name, "top_p");
  EXPECT_EQ(bound<TopPOptions>(agent.actions.options).p, 0.8);
  const auto& objectives = agent.learners[0].objectives;
  ASSERT_EQ(objectives.size(), 2u);
  const auto td = bound<SoftTdOptions>(objectives[0].loss.options);
  EXPECT_EQ(td.gamma, 0.99);
  EXPECT_EQ(td.alpha, 0.1);
  EXPECT_TRUE(td.chi2);
  EXPECT_EQ(td.gauge, "max_shift");
  EXPECT_EQ(td.q_min, -10);
  EXPECT_EQ(td.tail, "drop");
}

TEST(Bellman, StandsAloneWithoutLanguageModelling) {
  EXPECT_EQ(agent_of(build("bellman", "lm_weight: 0")).learners[0].objectives.size(), 1u);
}

TEST(Bellman, RefusesATailForTokensWithoutOne) {
  expect_error([] { build("bellman", "out_of_set: tail"); }, "tail: lump where out_of_set is tail",
               /*is_whole=*/false);
}

}  // namespace
}  // namespace distill
