#include "distill/run_config.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "distill/check.h"
#include "distill/yaml.h"
#include "tests/distill/expect_error.h"
#include "tests/distill/own_temp.h"

namespace distill {
namespace {

// The smallest run file; tests add to it or take from it.
constexpr const char* kSingle = R"(
data: {train: {files: [train.jsonl]}}
teacher: {path: big}
student: {path: small}
method: {name: gkd}
train: {steps: 10}
)";

constexpr const char* kStages = R"(
data: {train: {files: [a.txt]}, prompt_tokens: 32}
tokenizer: {stage: words}
method: {name: gkd}
train: {steps: 10, learning_rate: 1.0e-3}
stages:
  student: {kind: pretrain, student: {config: {vocab_size: 10}}}
  distilled:
    kind: distill
    teacher: {stage: teacher}
    student: {stage: student}
    train: {tokens: 1000}
  words: {kind: tokenizer, tokenizer: {vocabulary_size: 400}}
  teacher: {kind: pretrain, student: {config: big.json, dtype: bfloat16}}
  table:
    kind: evaluate
    teacher: {stage: teacher}
    evaluate: {models: {before: {stage: student}, after: {stage: distilled}}}
)";

RunConfig read(const std::string& text, const std::vector<std::string>& overrides = {}) {
  Options options = parse_yaml(text, "run.yaml");
  for (const std::string& assignment : overrides) apply_override(options, assignment);
  return to_run_config(options, "run.yaml");
}

void expect_refused(const std::vector<std::string>& overrides, const std::string& message,
                    const char* text = kSingle) {
  expect_error([&] { read(text, overrides); }, message, /*is_whole=*/false);
}

TEST(RunConfig, WithoutStagesIsOneDistillStage) {
  const RunConfig run = read(kSingle);
  EXPECT_TRUE(run.is_single);
  EXPECT_EQ(run.output, "runs/run");
  ASSERT_EQ(run.stages.size(), 1u);
  const StageConfig& stage = run.stages[0];
  EXPECT_EQ(stage.kind, StageKind::kDistill);
  EXPECT_EQ(stage.train.steps, 10);
  EXPECT_EQ(stage.method.name, "gkd");
  EXPECT_EQ(stage.tokenizer.path, "big") << "the teacher's folder holds the tokenizer";
}

TEST(RunConfig, OrdersStagesByWhatTheyNeed) {
  const RunConfig run = read(kStages);
  std::vector<std::string> names;
  for (const StageConfig& stage : run.stages) names.push_back(stage.name);
  EXPECT_THAT(names, testing::ElementsAre("words", "student", "teacher", "distilled", "table"));
  EXPECT_THAT(run.stage("distilled").needs, testing::ElementsAre("words", "teacher", "student"));
}

TEST(RunConfig, LaysAStageOverTheTopLevelKeyByKey) {
  const RunConfig run = read(kStages);
  const StageConfig& distilled = run.stage("distilled");
  EXPECT_EQ(distilled.data.prompt_tokens, 32);
  EXPECT_EQ(distilled.train.learning_rate, 1e-3);
  EXPECT_EQ(distilled.train.tokens, 1000);
  EXPECT_EQ(distilled.train.steps, 0) << "a budget of tokens takes the place of steps";
  EXPECT_EQ(run.stage("student").method.name, "sft") << "pretraining does not inherit a method";
  EXPECT_FALSE(run.stage("student").teacher);
  EXPECT_EQ(run.stage("teacher").student->config_path, "big.json");
  EXPECT_EQ(run.stage("teacher").student->dtype, "bfloat16");
}

TEST(RunConfig, AnotherMethodTakesNoneOfTheOptions) {
  const RunConfig run = read(R"(
data: {train: {files: [a.txt]}}
teacher: {path: big}
student: {path: small}
method: {name: gkd, lambda: 1}
train: {steps: 10}
stages:
  a: {kind: distill, method: {beta: 0.1}}
  b: {kind: distill, method: {name: kd}}
)");
  EXPECT_TRUE(run.stage("a").method.options.has("lambda"));
  EXPECT_TRUE(run.stage("a").method.options.has("beta"));
  EXPECT_TRUE(run.stage("b").method.options.empty());
}

TEST(RunConfig, TakesModelsFromFoldersStagesConfigsAndLayers) {
  const RunConfig run = read(kSingle, {"student={layers_of: {path: big}, every: 3}"});
  ASSERT_TRUE(run.stages[0].student->layers_of);
  EXPECT_EQ(run.stages[0].student->layers_of->path, "big");
  EXPECT_EQ(run.stages[0].student->every, 3);
  const RunConfig inlined = read(kSingle, {"student={config: {hidden_size: 8}}"});
  EXPECT_TRUE(inlined.stages[0].student->is_random());
}

TEST(RunConfig, ResolvedReadsBackToTheSame) {
  for (const char* text : {kSingle, kStages}) {
    const std::string resolved = to_yaml(to_options(read(text)));
    EXPECT_EQ(to_yaml(to_options(read(resolved))), resolved);
  }
}

TEST(RunConfig, NamesFileLineAndColumnOfAnUnknownKey) {
  expect_error(
      [] {
        read(
            "data: {train: {files: [a]}}\nteacher: {path: b}\nstudent: {path: c}\n"
            "method: {name: gkd}\ntrain:\n  steps: 1\n  learning_rat: 1\n");
      },
      "run.yaml:7:3: unknown key \"learning_rat\"; did you mean \"learning_rate\"? known: "
      "steps, tokens, environment_steps, batch_size, micro_batch_tokens, learning_rate, schedule, "
      "warmup_steps, weight_decay, betas, epsilon, max_grad_norm, compute, max_new_tokens, "
      "updates_per_collect, evaluate_every, checkpoint_every, log_every");
  expect_refused({"sede=1"}, "command line, sede=1: unknown key \"sede\"; did you mean \"seed\"?");
  expect_refused({"method.bta=1"}, "unknown key \"bta\"; did you mean \"beta\"?");
  expect_refused({"student.paht=x"}, "unknown key \"paht\"; did you mean \"path\"?");
  expect_refused({"threads.shard=1"}, "did you mean \"shards\"?");
}

TEST(RunConfig, RefusesWhatIsOutOfRange) {
  expect_refused({"seed=-1"}, "needs seed >= 0, found seed: -1");
  expect_refused({"device=gpu"},
                 "needs device: cpu, cuda or cuda:0, cuda:1, ..., found device: "
                 "\"gpu\"");
  expect_refused({"device=cuda:x"}, "needs device");
  expect_refused({"train.steps=0"}, "needs steps >= 1, found steps: 0");
  expect_refused({"train.batch_size=0"}, "needs batch_size >= 1");
  expect_refused({"train.learning_rate=0"}, "needs learning_rate > 0");
  expect_refused({"train.betas=[0.9]"}, "needs betas: two numbers, each in [0, 1)");
  expect_refused({"train.schedule=cosin"},
                 "schedule: unknown value \"cosin\"; did you mean \"cosine\"?");
  expect_refused({"train.compute=float16"}, "compute: unknown value \"float16\"");
  expect_refused({"data.prompt_tokens=0"}, "needs prompt_tokens >= 1");
  expect_refused({"data.validation_share=1"}, "needs 0 <= validation_share < 1");
  expect_refused({"data.too_long=crop"},
                 "too_long: unknown value \"crop\"; known: cut, skip, fail");
  expect_refused({"data.on_error=ignore"}, "on_error: unknown value \"ignore\"");
  expect_refused({"data.train.builtin=books"}, "one of files and builtin");
  expect_refused({"data.train={builtin: books}"}, "builtin: unknown value \"books\"");
  expect_refused({"student.dtype=float8"}, "dtype: unknown value \"float8\"");
  expect_refused({"evaluate.examples=-1"}, "needs examples >= 0");
  expect_refused({"threads.shards=-1"}, "needs shards >= 0");
  expect_refused({"train.steps=high"}, "steps: expected an integer, found \"high\"");
}

TEST(RunConfig, RefusesWhatExcludesEachOther) {
  expect_refused({"train.tokens=5"},
                 "needs exactly one of steps and tokens, found steps: 10, "
                 "tokens: 5");
  expect_refused({"student.config=x.json"},
                 "needs exactly one of path, stage, config, layers_of, found path: \"small\", "
                 "config: \"x.json\"");
  expect_refused({"student={dtype: float32}"}, "needs exactly one of path, stage, config");
  expect_refused({"student.every=2"}, "needs layers_of where every is set");
  expect_refused({"data.validation.files=[b]", "data.validation_share=0.5"},
                 "one of validation and validation_share");
}

TEST(RunConfig, SaysWhatIsMissing) {
  expect_error([] { read("seed: 1"); }, "run.yaml:1:1: stage \"distill\" needs data, or a world");
  expect_error([] { read("data: {train: {files: [a]}}\nmethod: {name: sft}\ntrain: {steps: 1}"); },
               "stage \"distill\" of kind distill needs a student", /*is_whole=*/false);
  expect_error(
      [] {
        read(
            "data: {train: {files: [a]}}\nstudent: {path: a}\nmethod: {name: kd}\n"
            "train: {steps: 1}");
      },
      "needs a teacher for the method kd", /*is_whole=*/false);
  expect_error(
      [] {
        read(
            "data: {train: {files: [a]}}\nstudent: {config: a}\nmethod: {name: sft}\n"
            "train: {steps: 1}");
      },
      "needs a tokenizer: {path: folder} or {stage: name}", /*is_whole=*/false);
  expect_refused({"method={lambda: 1}"}, "method: needs a name");
  expect_refused({"method.name=gkkd"}, "unknown method \"gkkd\"; did you mean \"gkd\"?");
}

TEST(RunConfig, ChecksWhatStagesReferTo) {
  expect_refused({"teacher={stage: x}"}, "unknown stage \"x\"; known: distill");
  expect_refused({"stages.distilled.needs=[studnt]"},
                 "stage \"distilled\" needs unknown stage \"studnt\"; did you mean \"student\"?",
                 kStages);
  expect_refused({"stages.distilled.teacher.stage=words"},
                 "stage \"words\" of kind tokenizer makes no model", kStages);
  expect_refused({"stages.words.needs=[table]"}, "stages need each other: ", kStages);
  expect_refused({"stages.student.kind=pretran"},
                 "kind: unknown value \"pretran\"; did you mean \"pretrain\"?", kStages);
  expect_refused({"stages.student.teacher={path: x}"}, "a stage of kind pretrain takes no teacher",
                 kStages);
  expect_refused({"stages.student.method={name: gkd}"},
                 "method gkd needs a teacher, which a stage of kind pretrain has not", kStages);
  expect_refused({"stages.table.evaluate={examples: 1}"},
                 "stage \"table\" of kind evaluate needs a map of models under evaluate", kStages);
  expect_refused({"stages.words.tokenizer.path=x"}, "where a stage trains the tokenizer", kStages);
  expect_refused({"stages.a/b={kind: pretrain}"}, "a name is made of letters, digits, - _ and .",
                 kStages);
  expect_refused({"stages={}"}, "needs stages: at least one", kStages);
}

TEST(RunConfig, ReadsAFileWithOverrides) {
  const std::string path = own_temp("decant_run_config_test.yaml");
  std::ofstream(path) << kSingle;
  const RunConfig run = load_run_config(path, {"train.steps=7", "method.beta=0"});
  EXPECT_EQ(run.stages[0].train.steps, 7);
  EXPECT_EQ(run.output, "runs/" + std::filesystem::path(path).stem().string());
}

// Every key the parser knows has a row in the documentation, under the heading of its section.
TEST(Documentation, DescribesEveryKey) {
  std::ifstream file(DECANT_TEST_FIXTURES "/../../docs/configuration.md");
  ASSERT_TRUE(file);
  std::string section, line, text;
  std::map<std::string, std::string> sections;
  while (std::getline(file, line)) {
    if (line.rfind("## ", 0) == 0) section = line.substr(3);
    sections[section] += line + "\n";
  }
  for (const auto& [name, key] : known_keys()) {
    const std::string heading = name.empty() ? "The file" : "`" + name + "`";
    ASSERT_TRUE(sections.contains(heading)) << heading;
    EXPECT_THAT(sections[heading], testing::HasSubstr("| `" + key + "` |")) << "in " << heading;
  }
}

// What stands in configs/ is read without an error, and worlds can be made as they are asked for.
TEST(RunFiles, OfTheProjectAreRight) {
  int count = 0;
  const auto configs = std::filesystem::canonical(DECANT_WORLDS "/..");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(configs)) {
    const std::string path = entry.path().string();
    if (entry.path().extension() != ".yaml" || path.find("/worlds/") != std::string::npos) continue;
    ++count;
    try {
      const RunConfig run = load_run_config(path);
      EXPECT_FALSE(run.stages.empty());
      if (run.stages.front().world && run.stages.front().world->name != "graph") {
        EXPECT_THAT(check(run, /*is_thorough=*/false).problems, testing::IsEmpty()) << path;
      }
    } catch (const std::exception& error) {
      ADD_FAILURE() << path << ": " << error.what();
    }
  }
  EXPECT_GE(count, 15);
}

}  // namespace
}  // namespace distill
