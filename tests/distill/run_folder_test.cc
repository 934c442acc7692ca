#include "distill/run_folder.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "distill/yaml.h"
#include "tests/distill/expect_error.h"
#include "tests/distill/own_temp.h"

namespace distill {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStages = R"(
data: {train: {files: [a.txt]}}
tokenizer: {path: words}
train: {steps: 10}
stages:
  teacher: {kind: pretrain, student: {config: big.json}}
  student: {kind: pretrain, student: {config: small.json}}
  gkd: {kind: distill, method: {name: gkd}, teacher: {stage: teacher}, student: {stage: student}}
)";

class RunFolderTest : public testing::Test {
 protected:
  RunFolderTest() { fs::remove_all(folder_); }
  ~RunFolderTest() override { fs::remove_all(folder_); }

  RunConfig config(const std::vector<std::string>& overrides = {}) const {
    Options options = parse_yaml(kStages, "run.yaml");
    options.set("output", folder_);
    for (const std::string& assignment : overrides) apply_override(options, assignment);
    return to_run_config(options, "run.yaml");
  }
  void touch(const std::string& name) const {
    fs::create_directories(fs::path(folder_ + "/" + name).parent_path());
    std::ofstream(folder_ + "/" + name) << "x";
  }
  bool exists(const std::string& name) const { return fs::exists(folder_ + "/" + name); }
  void finish_all(const RunConfig& run) const {
    RunFolder folder(run, Existing::kRefuse);
    for (const StageConfig& stage : run.stages) {
      folder.begin(stage);
      touch(stage.name + "/metrics.jsonl");
      touch(stage.name + "/student/model.safetensors");
      folder.finish(stage, {});
    }
  }

  std::string folder_ = own_temp("decant_run_folder_test");
};

TEST_F(RunFolderTest, KeepsTheResolvedConfigWhichReadsBack) {
  const RunConfig run = config();
  const RunFolder folder(run, Existing::kRefuse);
  EXPECT_EQ(to_yaml(to_options(load_run_config(folder_ + "/config.yaml"))),
            to_yaml(to_options(run)));
}

TEST_F(RunFolderTest, RefusesAFolderThatHoldsARun) {
  finish_all(config());
  expect_error([&] { RunFolder(config(), Existing::kRefuse); },
               folder_ +
                   ": holds a run already; go on with it by --resume, or begin anew by "
                   "--overwrite");
  EXPECT_TRUE(exists("gkd/student/model.safetensors"));
}

TEST_F(RunFolderTest, RefusesAFolderThatHoldsSomethingElse) {
  touch("thesis.tex");
  for (const auto existing : {Existing::kRefuse, Existing::kResume, Existing::kOverwrite}) {
    expect_error([&] { RunFolder(config(), existing); },
                 folder_ + ": holds files that are not a run; choose another output");
  }
  fs::remove_all(folder_);
  std::ofstream(folder_) << "x";
  expect_error([&] { RunFolder(config(), Existing::kRefuse); },
               folder_ + ": is a file, not a folder");
}

TEST_F(RunFolderTest, NamesAFolderThatCannotBeMade) {
  touch("file");
  const std::string inside = folder_ + "/file/run";
  try {
    RunFolder folder(config({"output=" + inside}), Existing::kRefuse);
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith(inside + ": cannot be made: "));
  }
}

TEST_F(RunFolderTest, RefusesAFolderInUse) {
  const RunFolder folder(config(), Existing::kRefuse);
  expect_error([&] { RunFolder(config(), Existing::kResume); },
               folder_ + ": another process is running in this folder");
}

TEST_F(RunFolderTest, KnowsWhichStagesAreFinishedAndWhatTheyMeasured) {
  const RunConfig run = config();
  {
    RunFolder folder(run, Existing::kRefuse);
    EXPECT_EQ(folder.state(run.stage("teacher")), StageState::kNew);
    folder.begin(run.stage("teacher"));
    EXPECT_EQ(folder.state(run.stage("teacher")), StageState::kBegun);
    ModelScores scores;
    scores.name = "teacher";
    scores.forward_kl = 0.25;
    folder.finish(run.stage("teacher"), {{scores}, {{"teacher", "p", "w", "r"}}});
    folder.begin(run.stage("student"));
  }
  const RunFolder again(run, Existing::kResume);
  EXPECT_EQ(again.state(run.stage("teacher")), StageState::kFinished);
  EXPECT_EQ(again.state(run.stage("student")), StageState::kBegun);
  EXPECT_EQ(again.state(run.stage("gkd")), StageState::kNew);
  const StageOutcome outcome = again.outcome(run.stage("teacher"));
  ASSERT_EQ(outcome.scores.size(), 1u);
  EXPECT_EQ(outcome.scores[0].forward_kl, 0.25);
  ASSERT_EQ(outcome.samples.size(), 1u);
  EXPECT_EQ(outcome.samples[0].written, "w");
}

TEST_F(RunFolderTest, DoesAStageAgainWhoseConfigurationChangedAndThoseThatNeedIt) {
  finish_all(config());
  const RunConfig changed = config({"stages.teacher.train.steps=11", "train.log_every=1"});
  RunFolder folder(changed, Existing::kResume);
  EXPECT_EQ(folder.changes(changed.stage("teacher")), "train.steps");
  EXPECT_EQ(folder.changes(changed.stage("student")), "") << "how often it speaks is no change";
  EXPECT_EQ(folder.state(changed.stage("teacher")), StageState::kNew);
  EXPECT_EQ(folder.state(changed.stage("gkd")), StageState::kFinished) << "not yet";
  folder.begin(changed.stage("teacher"));
  EXPECT_FALSE(exists("teacher/student"));
  EXPECT_EQ(folder.state(changed.stage("gkd")), StageState::kNew);
  EXPECT_FALSE(exists("gkd/student"));
  EXPECT_EQ(folder.state(changed.stage("student")), StageState::kFinished);
  EXPECT_TRUE(exists("student/student/model.safetensors"));
}

TEST_F(RunFolderTest, KeepsWhatABegunStageHasWritten) {
  const RunConfig run = config();
  {
    RunFolder folder(run, Existing::kRefuse);
    folder.begin(run.stage("teacher"));
    touch("teacher/metrics.jsonl");
  }
  RunFolder folder(run, Existing::kResume);
  folder.begin(run.stage("teacher"));
  EXPECT_TRUE(exists("teacher/metrics.jsonl"));
}

TEST_F(RunFolderTest, OverwritesOnlyWhatIsARuns) {
  finish_all(config());
  touch("notes.txt");
  touch("gkd/plot.png");
  RunFolder folder(config(), Existing::kOverwrite);
  EXPECT_TRUE(exists("notes.txt"));
  EXPECT_TRUE(exists("gkd/plot.png"));
  EXPECT_FALSE(exists("gkd/metrics.jsonl"));
  EXPECT_FALSE(exists("teacher"));
}

TEST_F(RunFolderTest, NamesADamagedRecord) {
  finish_all(config());
  touch("gkd/stage.json");
  const RunConfig run = config();
  const RunFolder folder(run, Existing::kResume);
  try {
    folder.state(run.stage("gkd"));
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_EQ(error.what(),
              folder_ + "/gkd/stage.json: is damaged; remove it to do the stage again");
  }
}

TEST_F(RunFolderTest, OfOneStageHasItsFilesDirectly) {
  const RunConfig run =
      to_run_config(parse_yaml("output: \"" + folder_ +
                                   "\"\ndata: {train: {files: [a]}}\nstudent: {path: s}\n"
                                   "method: {name: sft}\ntrain: {steps: 1}\n",
                               "run.yaml"),
                    "run.yaml");
  RunFolder folder(run, Existing::kRefuse);
  folder.begin(run.stages[0]);
  folder.write_report("# done\n");
  EXPECT_TRUE(exists("stage.json"));
  EXPECT_TRUE(exists("report.md"));
  EXPECT_EQ(folder.paths().product("distill"), folder_ + "/student");
}

}  // namespace
}  // namespace distill
