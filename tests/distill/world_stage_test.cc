#include "distill/world_stage.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "distill/check.h"
#include "distill/components/world_domain.h"
#include "distill/components/worlds.h"
#include "distill/svg.h"
#include "distill/yaml.h"
#include "rl/torch.h"
#include "tests/distill/expect_error.h"

namespace distill {
namespace fs = std::filesystem;
namespace {

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Runs of a second in a chain whose end is 5 steps away.
class WorldStages : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::temp_directory_path() /
        ("decant_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  RunConfig config(const std::string& output, const std::string& rest) const {
    const std::string text = "output: " + (folder_ / output).string() +
                             "\nworld: {name: chain, max_episode_steps: 30}\n"
                             "data: {demonstrations: 10}\nevaluate: {episodes: 5}\n" +
                             rest;
    return to_run_config(parse_yaml(text, "run.yaml"), "run.yaml");
  }

  RunConfig ppo(const std::string& output) const {
    return config(output,
                  "student: {config: {hidden: [16], value_head: true}}\n"
                  "method: {name: ppo, worlds: 8, steps: 32, gamma: 0.9}\n"
                  "train: {steps: 120, batch_size: 4, learning_rate: 1.0e-2, evaluate_every: 20, "
                  "checkpoint_every: 50}\n");
  }

  RunConfig distillation(const std::string& method, const std::string& output) const {
    return config(output, "teacher: {path: " + (folder_ / "teacher/student").string() +
                              "}\nstudent: {config: {hidden: [4]}}\nmethod: " + method +
                              "\ntrain: {steps: 150, batch_size: 8, learning_rate: 3.0e-2, "
                              "evaluate_every: 75}\n");
  }

  static StageResult run(const RunConfig& config, int64_t stop_after = -1) {
    int64_t updates = 0;
    StageEvents events;
    events.update = [&](const rl::Progress& now, double, const rl::Metrics&) {
      updates = now.updates;
    };
    events.interrupted = [&] { return updates == stop_after; };
    return run_stage(config, config.stages.front(), {config.output, true}, events);
  }

  fs::path folder_;
};

TEST_F(WorldStages, LearnByPpoAndDrawTheLearningCurve) {
  const StageResult result = run(ppo("a"));
  ASSERT_EQ(result.evaluations.size(), 2u);
  EXPECT_EQ(result.evaluations.back().scores.mean_return, 1.0);
  EXPECT_THAT(content_of(folder_ / "a/learning_curve.svg"), testing::HasSubstr("<polyline"));
}

TEST_F(WorldStages, LearnByDqn) {
  const RunConfig run_config =
      config("a",
             "student: {config: {hidden: [16]}}\n"
             "method: {name: dqn, worlds: 4, steps: 2, gamma: 0.9, capacity: 500, "
             "explore_share: 0.5, target_every: 20}\n"
             "train: {steps: 500, batch_size: 32, learning_rate: 1.0e-2}\n");
  EXPECT_EQ(run(run_config).evaluations.back().scores.mean_return, 1.0);
}

TEST_F(WorldStages, DistilByTheMethodsOfLanguageModels) {
  run(ppo("teacher"));
  int count = 0;
  for (const std::string method : {"{name: sft}",
                                   "{name: kd}",
                                   "{name: seq_kd}",
                                   "{name: gkd, lambda: 1}",
                                   "{name: on_policy}",
                                   "{name: g_opd, lambda: 1.1}",
                                   "{name: minillm}",
                                   "{name: endogenous, student_entropy: 1}",
                                   "{name: speculative, k: 1}",
                                   "{name: bellman, actions: all, alpha: 5.0}",
                                   "{name: bellman, actions: {name: top_k, k: 1}, alpha: 5.0}",
                                   "{name: ab_kd}",
                                   "{name: akl}",
                                   "{name: imit_kd}",
                                   "{name: f_distill}",
                                   "{name: distillm, share: 0.5, capacity: 16}",
                                   "{name: distillm2}",
                                   "{name: taid}",
                                   "{name: ranking}",
                                   "{name: sparse_sampling}"}) {
    const StageResult result = run(distillation(method, std::to_string(count++)));
    ASSERT_EQ(result.evaluations.size(), 3u);
    const ModelScores &before = result.evaluations[1].scores, &after = result.evaluations[2].scores;
    EXPECT_EQ(after.mean_return, 1.0) << method;
    EXPECT_LT(*after.forward_kl, *before.forward_kl) << method;
    EXPECT_LT(*after.own_reverse_kl, *before.own_reverse_kl) << method;
  }
}

// A slippery lake, drawn as a graph, on the two actions that the teacher finds likeliest in each state.
TEST_F(WorldStages, DistilOnTheLikeliestActionsOfAGraphWorld) {
  const std::string world = "\nworld: {name: grid, map: [SFF, FHF, FFG], slippery: true}\n";
  const auto on_the_lake = [&](const std::string& output, const std::string& rest) {
    const std::string text = "output: " + (folder_ / output).string() + world +
                             "data: {demonstrations: 200}\nevaluate: {episodes: 200}\n" + rest;
    return to_run_config(parse_yaml(text, "run.yaml"), "run.yaml");
  };
  const ModelScores teacher =
      run(on_the_lake("teacher",
                      "student: {config: {hidden: [32], value_head: true}}\n"
                      "method: {name: ppo, worlds: 16, steps: 32, gamma: 0.97, "
                      "entropy_coefficient: 0.03}\n"
                      "train: {steps: 400, batch_size: 4, learning_rate: 1.0e-2}\n"))
          .evaluations.back()
          .scores;
  ASSERT_GT(*teacher.mean_return, 0.5);
  int count = 0;
  for (const std::string method :
       {"{name: kd, actions: {name: top_k, k: 2}}",
        "{name: gkd, lambda: 0.5, actions: {name: top_k, k: 2}}",
        "{name: bellman, actions: {name: top_k, k: 2}, tail: lump, alpha: 5.0}"}) {
    const StageResult result =
        run(on_the_lake(std::to_string(count++),
                        "teacher: {path: " + (folder_ / "teacher/student").string() +
                            "}\nstudent: {config: {hidden: [8]}}\nmethod: " + method +
                            "\ntrain: {steps: 300, batch_size: 16, learning_rate: 3.0e-2}\n"));
    const ModelScores &before = result.evaluations[1].scores, &after = result.evaluations[2].scores;
    EXPECT_LT(*after.forward_kl, *before.forward_kl / 2) << method;
    EXPECT_GT(*after.mean_return, *teacher.mean_return - 0.15) << method;
  }
}

// Three actions in all, of which no state offers more than two; the best way pays 1 in 3 steps.
constexpr const char* kUneven = R"(actions: [wait, ride, swim]
states: {shore: {start: 1}, island: , harbour: , town: {terminal: true}}
transitions:
  - {from: shore, action: wait, to: shore}
  - {from: shore, action: swim, to: island}
  - {from: island, action: wait, to: shore}
  - {from: island, action: ride, to: harbour}
  - {from: harbour, action: ride, to: town, reward: 1}
)";

TEST_F(WorldStages, LearnWhereStatesOfferDifferentActions) {
  fs::create_directories(folder_);
  std::ofstream(folder_ / "uneven.yaml") << kUneven;
  const auto in_it = [&](const std::string& output, const std::string& rest) {
    return to_run_config(
        parse_yaml("output: " + (folder_ / output).string() +
                       "\nworld: {name: graph, file: " + (folder_ / "uneven.yaml").string() +
                       ", max_episode_steps: 30}\ndata: {demonstrations: 50}\n"
                       "evaluate: {episodes: 5}\n" +
                       rest,
                   "run.yaml"),
        "run.yaml");
  };
  int count = 0;
  for (const std::string method :
       {"method: {name: ppo, worlds: 8, steps: 32, gamma: 0.9}\n"
        "student: {config: {hidden: [16], value_head: true}}\n",
        "method: {name: dqn, worlds: 4, steps: 2, gamma: 0.9, capacity: 500, explore_share: 0.5, "
        "target_every: 20}\nstudent: {config: {hidden: [16], dueling: true}}\n",
        "method: {name: dqn, worlds: 4, steps: 2, gamma: 0.9, capacity: 500, explore_share: 0.5, "
        "target_every: 20, random_share: 0.1}\nstudent: {config: {hidden: [16]}}\n"}) {
    const StageResult result =
        run(in_it(count == 0 ? "teacher" : "learner" + std::to_string(count),
                  method + "train: {steps: 300, batch_size: 8, learning_rate: 1.0e-2}\n"));
    EXPECT_EQ(*result.evaluations.back().scores.mean_return, 1) << method;
    ++count;
  }
  for (const std::string method :
       {"{name: kd}", "{name: gkd, actions: {name: top_k, k: 1}}", "{name: sft}",
        "{name: bellman, actions: all, alpha: 5.0}",
        "{name: bellman, actions: {name: top_k, k: 3}, tail: lump, alpha: 5.0}",
        "{name: on_policy}", "{name: g_opd}", "{name: minillm}",
        "{name: endogenous, student_entropy: 1}", "{name: speculative, k: 1}"}) {
    const StageResult result =
        run(in_it(std::to_string(count++),
                  "teacher: {path: " + (folder_ / "teacher/student").string() +
                      "}\nstudent: {config: {hidden: [4]}}\nmethod: " + method +
                      "\ntrain: {steps: 100, batch_size: 8, learning_rate: 3.0e-2}\n"));
    const ModelScores &before = result.evaluations[1].scores, &after = result.evaluations[2].scores;
    EXPECT_EQ(*after.mean_return, 1) << method;
    EXPECT_LT(*after.forward_kl, *before.forward_kl) << method;
    EXPECT_TRUE(std::isfinite(*after.reverse_kl)) << method;
  }
}

TEST_F(WorldStages, OnPolicyDistillationGoesOnWhereItWasInterrupted) {
  run(ppo("teacher"));
  const RunConfig whole = distillation("{name: gkd, lambda: 0.5}", "whole");
  const RunConfig parts = distillation("{name: gkd, lambda: 0.5}", "parts");
  run(whole);
  EXPECT_TRUE(run(parts, 37).interrupted);
  EXPECT_FALSE(run(parts).interrupted);
  for (const char* file : {"metrics.jsonl", "student/model.safetensors"}) {
    EXPECT_EQ(content_of(folder_ / "whole" / file), content_of(folder_ / "parts" / file)) << file;
  }
}

// Interrupted in the middle of episodes, of an epoch and of a replay.
TEST_F(WorldStages, LearningFromRewardsGoesOnWhereItWasInterrupted) {
  const std::string value_head = "student: {config: {hidden: [8], value_head: true}}\n";
  const std::string train = "train: {steps: 60, batch_size: 4, learning_rate: 1.0e-2}\n";
  const std::vector<std::string> methods = {
      "method: {name: ppo, worlds: 6, steps: 7}\n",
      "method: {name: dqn, worlds: 2, steps: 3, capacity: 30, warm_up: 10, target_every: 7}\n"};
  for (const std::string& method : methods) {
    const std::string rest = value_head + method + train;
    const RunConfig whole = config("whole", rest), parts = config("parts", rest);
    run(whole);
    EXPECT_TRUE(run(parts, 1).interrupted);
    EXPECT_TRUE(run(parts, 38).interrupted);
    EXPECT_FALSE(run(parts).interrupted);
    for (const char* file : {"metrics.jsonl", "student/model.safetensors"}) {
      EXPECT_EQ(content_of(folder_ / "whole" / file), content_of(folder_ / "parts" / file))
          << method << file;
    }
    fs::remove_all(folder_);
  }
}

TEST_F(WorldStages, RefuseWhatAWorldHasNot) {
  const std::string student = "student: {config: {hidden: [4]}}\n";
  expect_error([&] { config("a", student + "method: ppo\ntrain: {tokens: 5}\n"); },
               "method: expected", /*is_whole=*/false);
  expect_error([&] { config("a", student + "method: {name: ppo}\ntrain: {tokens: 5}\n"); },
               "train.tokens: a world has no tokens", /*is_whole=*/false);
  const std::string rest = "method: {name: ppo}\ntrain: {steps: 5}\n";
  expect_error([&] { config("a", "device: cuda\n" + student + rest); },
               "device: cpu where a world is acted in", /*is_whole=*/false);
  expect_error([&] { config("a", "student: {config: {hidden: [4]}, dtype: bfloat16}\n" + rest); },
               "dtype: a perceptron is float32", /*is_whole=*/false);
  expect_error([&] { run(config("a", student + "method: {name: sft}\ntrain: {steps: 5}\n")); },
               "the stage needs a teacher", /*is_whole=*/false);
}

TEST_F(WorldStages, AreCheckedBeforeTheyRun) {
  const std::string rest = "method: {name: ppo}\ntrain: {steps: 5}\n";
  const auto problems = [&](const std::string& text) {
    return check(config("a", text + rest), /*is_thorough=*/false).problems;
  };
  EXPECT_THAT(problems("student: {config: {hiden: [4]}}\n"),
              testing::ElementsAre(testing::HasSubstr("did you mean \"hidden\"?")));
  EXPECT_THAT(problems("student: {config: {hidden: [0]}}\n"),
              testing::ElementsAre(testing::HasSubstr("widths of at least 1")));
  EXPECT_THAT(problems("student: {config: {hidden: [4]}}\n"), testing::IsEmpty());
}

// Methods that imitate tell demonstrations from the rest by it.
TEST(WorldDomain, EpisodesAreTheStudentsOwnIfDrawnFromItAsItIs) {
  const auto policy = std::make_shared<agents::MlpPolicy>(
      agents::MlpOptions{.inputs = 6, .actions = 2, .hidden = {4}});
  const WorldDomain domain(
      {.seed = 1,
       .threads = {},
       .make_world =
           [](bool restarts) {
             return make_world({"chain", {}}, {.seed = 1, .restarts = restarts});
           },
       .student = policy,
       .teacher = policy,
       .load_model = {}});
  for (const double temperature : {0.0, 0.5, 1.0}) {
    for (const std::string actor : {"student", "teacher"}) {
      const auto source =
          domain.rollout({.actor = actor, .sampling = {.temperature = temperature}});
      const rl::Tensor own = source->collect(torch::arange(3), 0).own;
      const bool expected = actor == "student" && temperature == 1;
      EXPECT_TRUE(own.eq(expected).all().item<bool>()) << actor << " " << temperature;
    }
  }
}

TEST(Worlds, AreMadeFromWhatARunFileSays) {
  const std::vector<std::pair<std::string, int64_t>> observed = {
      {"name: acrobot", 6},
      {"name: bandit\nmean_rewards: [1, 2]", 1},
      {"name: cart_pole", 4},
      {"name: chain\nlength: 7", 7},
      {"name: graph\nfile: " DECANT_WORLDS "/slippery.yaml", 5},
      {"name: grid\nmap: [SF, HG]", 4},
      {"name: mountain_car", 2}};
  ASSERT_EQ(observed.size(), world_names().size());
  for (const auto& [text, size] : observed) {
    ComponentSpec spec("", parse_yaml(text, "run.yaml"));
    spec.name = *spec.options.find("name")->as<std::string>();
    spec.options.erase("name");
    const auto world = make_world(spec, {.seed = 1, .restarts = true});
    EXPECT_EQ(world->spec().observation.shape, std::vector<int64_t>{size}) << text;
    EXPECT_TRUE(world->spec().restarts);
  }
}

TEST(Worlds, NameWhatTheyCannotBeMadeFrom) {
  expect_error(
      [] {
        make_world({"bandit", {{"mean_rewards", Value::List{}}}}, {});
      },
      "a bandit has at least one arm", false);
  expect_error(
      [] {
        make_world({"graph", {{"file", "/no/such.yaml"}}}, {});
      },
      "world graph: /no/such.yaml: cannot be opened", false);
  expect_error([] { make_world({"gird", {}}, {}); }, "did you mean \"grid\"?", false);
}

TEST(LineChart, LeavesOutWhatIsNotFinite) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::string chart =
      line_chart("a < b", "x", "y", {{"one", {0, 1, 2}, {5, nan, 6}}, {"none", {}, {}}});
  EXPECT_THAT(chart, testing::HasSubstr("a &lt; b"));
  EXPECT_THAT(chart, testing::Not(testing::HasSubstr("nan")));
}

}  // namespace
}  // namespace distill
