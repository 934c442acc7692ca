#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string_view>

#include "distill/component_options.h"
#include "distill/registry.h"
#include "distill/run_config.h"
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
  const std::string text = to_yaml(to_options(agent_of(GetParam().build({}))));
  EXPECT_EQ(to_yaml(parse_yaml(text, "spec")), text);
  EXPECT_EQ(to_yaml(to_options(agent_spec(parse_yaml(text, "spec")))), text);
}

TEST_P(EveryMethod, RefusesAnUnknownKey) {
  expect_error([] { GetParam().build(parse_yaml("colour: red", "run.yaml")); },
               "run.yaml:1:1: unknown key \"colour\"", /*is_whole=*/false);
}

TEST_P(EveryMethod, TakesItsOwnDefaults) {
  Options defaults = defaults_of(GetParam());
  EXPECT_FALSE(defaults.empty());
  if (defaults.has("divergence")) {  // these two belong to one divergence of three
    defaults.erase("beta");
    defaults.erase("scale");
  }
  if (GetParam().name == "cross_tokenizer") {  // these two belong to one form of two
    defaults.erase("merge");
    defaults.erase("beta");
  }
  // Options that belong to one choice, which is not the default, are refused beside another.
  const std::map<std::string_view, std::vector<std::string>> of_another = {
      {"bellman", {"student_fraction", "per", "actor", "temperature", "top_k", "top_p", "min_p"}},
      {"collaborative", {"keep"}},
      {"dqn", {"alpha", "beta"}},
      {"endogenous", {"lambda", "value_clip", "value_coefficient"}},
      {"iq_learn", {"chi2_on_own", "temperature", "top_k", "top_p", "min_p", "q_min"}},
      {"sqil", {"alpha", "beta"}},
      {"teacher_selection", {"own_share"}}};
  const auto found = of_another.find(GetParam().name);
  if (found != of_another.end()) {
    for (const std::string& name : found->second) defaults.erase(name);
  }
  EXPECT_EQ(to_yaml(to_options(agent_of(GetParam().build(defaults)))),
            to_yaml(to_options(agent_of(GetParam().build({})))));
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

// Older methods share run files that are named otherwise.
// Methods that a run file under configs/ names. That all of them are right is tested with run files.
std::set<std::string> methods_with_run_files() {
  std::set<std::string> found;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(DECANT_TEST_FIXTURES "/../../configs")) {
    const std::string path = entry.path().string();
    if (entry.path().extension() != ".yaml" || path.find("/worlds/") != std::string::npos) continue;
    for (const StageConfig& stage : load_run_config(path).stages) found.insert(stage.method.name);
  }
  return found;
}

TEST(Registry, HasARunFileForEveryMethod) {
  const std::set<std::string> found = methods_with_run_files();
  for (const MethodEntry& method : methods()) {
    EXPECT_TRUE(found.contains(std::string(method.name))) << method.name;
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
      "run.yaml:3:9: unknown method \"gdk\"; did you mean \"gkd\"? known: a2c, ",
      /*is_whole=*/false);
}

TEST(Sft, ImitatesTheLikelihoodOfTheDataset) {
  const MethodSpec method = build("sft", "average: sequences");
  EXPECT_EQ(to_yaml(to_options(agent_of(method))), R"(source: dataset
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
               "run.yaml:1:7: needs divergence: jsd where beta is set, found beta: 0.1");
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
  expect_error([] { build("cross_tokenizer", "beta: 0.3"); }, "form: gold where beta is set",
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
               "sampled, top_k, top_p");
  expect_error([] { build("gkd", "actions: [all]"); },
               "run.yaml:1:10: expected the name of a component or {name: ..., option: value}, "
               "found a list");
}

const RewardSpec::Term& first_term(const MethodSpec& method) {
  return agent_of(method).learners[0].objectives[0].reward.terms[0];
}

TEST(AbKd, HasThePapersExponentsOnWrittenResponses) {
  const MethodSpec method = build("ab_kd", "");
  EXPECT_EQ(first_term(method).term.name, "alpha_beta");
  EXPECT_EQ(first_term(method).weight, -1);
  const auto divergence = bound<AlphaBetaOptions>(first_term(method).term.options);
  EXPECT_EQ(divergence.alpha, 0.2);
  EXPECT_EQ(divergence.beta, 0.7);
  EXPECT_EQ(bound<MixOptions>(agent_of(method).source.options).student_fraction.to, 0);
}

TEST(AbKd, NamesWhatIsOutOfRange) {
  expect_error([] { build("ab_kd", "alpha: .inf"); },
               "run.yaml:1:8: needs a finite alpha, found alpha: .inf");
  expect_error([] { build("ab_kd", "student_fraction: 2"); },
               "run.yaml:1:19: needs 0 <= student_fraction <= 1, found student_fraction: 2");
  expect_error([] { build("ab_kd", "tail: lamp"); }, "did you mean \"lump\"", /*is_whole=*/false);
}

TEST(Akl, TakesAMixtureAndAHead) {
  const MethodSpec method = build("akl", "mu: 0.9\nstudent_fraction: {from: 0, to: 0.5}");
  EXPECT_EQ(bound<AklOptions>(first_term(method).term.options).mu, 0.9);
  EXPECT_EQ(bound<MixOptions>(agent_of(method).source.options).student_fraction.to, 0.5);
  expect_error([] { build("akl", "mu: 1.5"); }, "run.yaml:1:5: needs 0 <= mu <= 1, found mu: 1.5");
}

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ImitKd, IsThePageThatTheDocumentationPrints) {
  const std::string root = DECANT_TEST_FIXTURES "/../../";
  std::istringstream code(content_of(root + "distill/methods/imit_kd.cc"));
  std::string printed;
  for (std::string line; std::getline(code, line);) {
    printed += (line.empty() ? "" : "   ") + line + "\n";
  }
  EXPECT_THAT(content_of(root + "docs/adding_a_method.md"),
              testing::HasSubstr("```cpp\n" + printed + "   ```"));
}

TEST(ImitKd, GoesFromTheDatasetToTheStudent) {
  const MethodSpec method = build("imit_kd", "");
  const auto mix = bound<MixOptions>(agent_of(method).source.options);
  EXPECT_EQ(mix.student_fraction.from, 0);
  EXPECT_EQ(mix.student_fraction.to, 1);
  EXPECT_EQ(mix.first, "dataset");
  EXPECT_EQ(first_term(method).term.name, "forward_kl");
  expect_error([] { build("imit_kd", "first: student"); }, "first: unknown value \"student\"",
               /*is_whole=*/false);
}

TEST(FDistill, FollowsWhomItsDivergenceSpeaksOf) {
  const auto actor = [](const MethodSpec& method) {
    return component(bound<RolloutOptions>(agent_of(method).source.options).actor).name;
  };
  EXPECT_EQ(actor(build("f_distill", "divergence: kl")), "teacher");
  EXPECT_EQ(first_term(build("f_distill", "divergence: kl")).term.name, "forward_kl");
  EXPECT_EQ(actor(build("f_distill", "divergence: rkl")), "student");
  EXPECT_EQ(first_term(build("f_distill", "divergence: rkl")).term.name, "reverse_kl");
  expect_error([] { build("f_distill", "divergence: jsd"); },
               "divergence: unknown value \"jsd\"; did you mean \"js\"?", /*is_whole=*/false);
}

TEST(FDistill, GivesEachHalfItsOwnTerm) {
  const MethodSpec method = build("f_distill", "tail: drop");
  EXPECT_EQ(agent_of(method).source.name, "pairs");
  EXPECT_EQ(bound<PairsOptions>(agent_of(method).source.options).first, "teacher");
  const auto& objectives = agent_of(method).learners[0].objectives;
  ASSERT_EQ(objectives.size(), 2u);
  EXPECT_EQ(objectives[0].rows, "first");
  EXPECT_EQ(objectives[1].rows, "second");
  EXPECT_EQ(objectives[0].weight, 0.5);
  EXPECT_EQ(objectives[1].weight, 0.5);
  const auto& to_mean = objectives[0].reward.terms[0].term;
  const auto& from_mean = objectives[1].reward.terms[0].term;
  EXPECT_EQ(to_mean.name, "skew_kl");
  EXPECT_EQ(bound<SkewKlOptions>(to_mean.options).alpha, 0.5);
  EXPECT_EQ(bound<SkewKlOptions>(to_mean.options).divergence.tail, "drop");
  EXPECT_EQ(from_mean.name, "skew_reverse_kl");
  EXPECT_FALSE(bound<SkewReverseKlOptions>(from_mean.options).detach_mixture);
  const auto tvd = agent_of(build("f_distill", "divergence: tvd")).learners[0].objectives;
  for (const ObjectiveSpec& half : tvd) {
    EXPECT_EQ(half.reward.terms[0].term.name, "total_variation");
    EXPECT_EQ(half.weight, 0.5);
  }
}

TEST(DistiLlm, FollowsAnAdaptiveMixture) {
  const MethodSpec method = build("distillm", "share: 0.2\ndivergence: skew_reverse_kl");
  const auto mix = bound<AdaptiveMixOptions>(agent_of(method).source.options);
  EXPECT_EQ(mix.share, 0.2);
  EXPECT_EQ(mix.capacity, 1000);
  EXPECT_EQ(first_term(method).term.name, "skew_reverse_kl");
  EXPECT_EQ(bound<SkewReverseKlOptions>(first_term(method).term.options).alpha, 0.1);
  EXPECT_FALSE(bound<SkewReverseKlOptions>(first_term(method).term.options).detach_mixture);
  expect_error([] { build("distillm", "alpha: 1"); },
               "run.yaml:1:8: needs 0 <= alpha < 1, found alpha: 1");
  expect_error([] { build("distillm", "schedule: falling"); }, "schedule: unknown value",
               /*is_whole=*/false);
}

TEST(DistiLlm, NeedsARunThatEvaluatesAndAMemoryForABatch) {
  const MethodSpec method = build("distillm", "capacity: 10");
  const Mark mark{"run.yaml", 7, 9};
  EXPECT_NO_THROW(check_training(method, {.evaluate_every = 5, .batch_size = 10}, mark));
  EXPECT_NO_THROW(check_training(build("grpo", "group_size: 8"), {.batch_size = 16}, mark));
  expect_error([&] { check_training(build("grpo", "group_size: 8"), {.batch_size = 12}, mark); },
               "train.batch_size is 12", /*is_whole=*/false);
  expect_error(
      [&] {
        check_training(build("endogenous", "{baseline: group, group_size: 8, episodes: 20}"),
                       {.batch_size = 4}, mark);
      },
      "episodes is 20", /*is_whole=*/false);
  expect_error(
      [&] { check_training(method, {.evaluate_every = 0, .batch_size = 10}, mark); },
      "run.yaml:7:9: distillm: its share of the student's own responses follows the held-out "
      "loss; needs train.evaluate_every >= 1, found 0");
  expect_error([&] { check_training(method, {.evaluate_every = 5, .batch_size = 11}, mark); },
               "run.yaml:7:9: distillm: needs capacity >= train.batch_size, found 10 and 11");
}

TEST(DistiLlm2, WeighsThePullAndThePush) {
  const auto factors = [](const std::string& yaml) {
    const MethodSpec method = build("distillm2", yaml);
    std::vector<ContrastOptions> found;
    for (const ObjectiveSpec& objective : agent_of(method).learners[0].objectives) {
      found.push_back(bound<ContrastOptions>(objective.loss.options));
    }
    return found;
  };
  const auto gradual = factors("beta: {from: 1, to: 1.5}\nbeta_share: 0.5");
  EXPECT_EQ(gradual[0].factor.from, 1);
  EXPECT_EQ(gradual[0].factor.to, 0.5);
  EXPECT_EQ(gradual[1].factor.to, 1.5);
  EXPECT_EQ(gradual[0].factor_share, 0.5);
  const MethodSpec paper = build("distillm2", "form: paper\nbeta: 0.25");
  const auto& objectives = agent_of(paper).learners[0].objectives;
  EXPECT_EQ(objectives[0].weight * bound<ContrastOptions>(objectives[0].loss.options).factor.to,
            0.375);
  EXPECT_EQ(objectives[1].weight * bound<ContrastOptions>(objectives[1].loss.options).factor.to,
            0.125);
}

TEST(DistiLlm2, ComparesTheTeachersResponseWithTheStudents) {
  const MethodSpec method = build("distillm2", "first: teacher\nalpha: 0.2\ncurriculum: true");
  EXPECT_EQ(bound<PairsOptions>(agent_of(method).source.options).first, "teacher");
  const auto& objectives = agent_of(method).learners[0].objectives;
  EXPECT_EQ(objectives[0].rows, "first");
  EXPECT_EQ(objectives[0].reward.terms[0].term.name, "skew_kl");
  EXPECT_EQ(objectives[1].rows, "second");
  const auto& push = objectives[1].reward.terms[0].term;
  EXPECT_EQ(push.name, "skew_reverse_kl");
  EXPECT_TRUE(bound<SkewReverseKlOptions>(push.options).detach_mixture);
  for (const ObjectiveSpec& objective : objectives) {
    EXPECT_EQ(bound<ContrastOptions>(objective.loss.options).largest_skew, 0.2);
    EXPECT_EQ(facts_of(objective.loss).average, "sequences");
    EXPECT_TRUE(facts_of(objective.loss).includes_taken);
  }
}

TEST(DistiLlm2, NamesWhatIsOutOfRange) {
  expect_error([] { build("distillm2", "beta: 3"); },
               "run.yaml:1:7: needs 0 <= beta <= 2, found beta: 3");
  expect_error([] { build("distillm2", "form: paper\nbeta: 1.5"); }, "needs 0 <= beta <= 1",
               /*is_whole=*/false);
  expect_error([] { build("distillm2", "curriculum: true\nalpha: 0"); }, "needs alpha >= 0.01",
               /*is_whole=*/false);
  expect_error(
      [] {
        check_training(build("distillm2", ""), {.evaluate_every = 0, .batch_size = 7},
                       {"run.yaml", 7, 9});
      },
      "run.yaml:7:9: distillm2: both responses to a prompt stand in one batch; needs an even "
      "train.batch_size, found 7");
}

TEST(Taid, AsksForTheTeachersOpinionByItsLoss) {
  const MethodSpec method = build("taid", "teacher_temperature: 2\nt_start: 0.2");
  const ObjectiveSpec& objective = agent_of(method).learners[0].objectives[0];
  EXPECT_EQ(objective.loss.name, "taid");
  EXPECT_EQ(facts_of(objective.loss).teacher_temperature, 2.0);
  expect_error([] { build("taid", "t_start: 0.9\nt_end: 0.5"); },
               "needs 0 <= t_start <= t_end <= 1, found t_start: 0.9, t_end: 0.5",
               /*is_whole=*/false);
  expect_error([] { build("taid", "momentum: 1"); }, "needs 0 <= momentum < 1",
               /*is_whole=*/false);
}

TEST(Ranking, GoesWithAnyDivergence) {
  const auto terms = [](const std::string& yaml) {
    return agent_of(build("ranking", yaml)).learners[0].objectives[0].reward.terms;
  };
  const auto plain = terms("divergence: {name: jsd, beta: 0.3}\nk: 7");
  ASSERT_EQ(plain.size(), 2u);
  EXPECT_EQ(bound<RankingOptions>(plain[0].term.options).k, 7);
  EXPECT_EQ(plain[0].weight, -2);
  EXPECT_EQ(bound<JsdOptions>(plain[1].term.options).beta, 0.3);
  EXPECT_EQ(plain[1].weight, -1);
  EXPECT_EQ(terms("dynamic: true")[1].term.name, "overlapping");
  EXPECT_EQ(terms("divergence_weight: 0").size(), 1u);
  EXPECT_EQ(terms("rank_weight: 0").size(), 1u);
  expect_error([] { build("ranking", "divergence: log_likelihood"); },
               "needs a divergence to the teacher, found divergence: \"log_likelihood\"",
               /*is_whole=*/false);
  expect_error([] { build("ranking", "divergence: {name: jsd, bta: 1}"); },
               "run.yaml:1:25: unknown key \"bta\"; did you mean \"beta\"?", /*is_whole=*/false);
  expect_error([] { build("ranking", "rank_weight: 0\ndivergence_weight: 0"); },
               "needs one of rank_weight, divergence_weight > 0",
               /*is_whole=*/false);
}

TEST(SparseSampling, TakesTheForwardKlOfASampledSet) {
  const MethodSpec method = build("sparse_sampling", "draws: 20\nkd_ratio: 0.75");
  EXPECT_EQ(bound<SampledOptions>(agent_of(method).actions.options).draws, 20);
  const auto& terms = agent_of(method).learners[0].objectives[0].reward.terms;
  EXPECT_EQ(terms[0].term.name, "forward_kl");
  EXPECT_EQ(terms[0].weight, -0.75);
  EXPECT_EQ(terms[1].weight, 0.25);
  EXPECT_NO_THROW(build("kd", "actions: {name: sampled, draws: 10}"));
}

TEST(SparseSampling, RefusesWhatWouldNotBeUnbiased) {
  expect_error([] { build("kd", "actions: sampled\ndivergence: reverse_kl"); },
               "run.yaml:1:10: actions: a sampled set needs forward_kl with tail: lump, found "
               "reverse_kl");
  expect_error([] { build("kd", "actions: sampled\ntail: drop"); }, "with tail: lump",
               /*is_whole=*/false);
  expect_error([] { build("bellman", "actions: sampled"); }, "loss on a sampled set",
               /*is_whole=*/false);
  expect_error([] { build("sparse_sampling", "draws: 0"); },
               "run.yaml:1:8: needs draws >= 1, found draws: 0");
}

TEST(RewardTerms, SayWhetherTheyAskForTheTeachersOpinion) {
  EXPECT_EQ(teacher_temperature({"log_likelihood"}), std::nullopt);
  for (const char* name : {"akl", "alpha_beta", "forward_kl", "jsd", "reverse_kl", "skew_kl",
                           "skew_reverse_kl", "total_variation"}) {
    EXPECT_EQ(teacher_temperature({name}), 1.0) << name;
    EXPECT_EQ(teacher_temperature({name, Options{{"teacher_temperature", 2.0}}}), 2.0) << name;
  }
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

TEST(Bellman, FollowsWhomItIsTold) {
  const auto source = [](const std::string& yaml) {
    return agent_of(build("bellman", yaml)).source;
  };
  EXPECT_EQ(source("").name, "dataset");
  EXPECT_EQ(*source("source: student").options.find("actor")->as<std::string>(), "student");
  const auto mix = bound<MixOptions>(source("{source: mix, student_fraction: 0.25}").options);
  EXPECT_EQ(mix.student_fraction.from, 0.25);
  EXPECT_EQ(mix.per, "batch");
}

TEST(Bellman, RefusesATailForTokensWithoutOne) {
  expect_error([] { build("bellman", "out_of_set: tail"); }, "tail: lump where out_of_set is tail",
               /*is_whole=*/false);
}

}  // namespace
}  // namespace distill
