#include "distill/run.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "distill/yaml.h"
#include "tests/distill/own_temp.h"

namespace distill {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kStages = R"(
data: {train: {files: [a.txt]}}
tokenizer: {path: words}
train: {steps: 10}
stages:
  table:
    kind: evaluate
    teacher: {stage: teacher}
    evaluate: {models: {student: {stage: student}}}
  student: {kind: pretrain, student: {config: small.json}}
  teacher: {kind: pretrain, student: {config: big.json}}
)";

Evaluation evaluated(const std::string& name, double nats) {
  Evaluation evaluation;
  evaluation.scores.name = name;
  evaluation.scores.nats_per_token = nats;
  evaluation.continuations = {{"p", name + " wrote", "r"}, {"q", "b", "r"}, {"s", "c", "r"}};
  return evaluation;
}

class ExecuteTest : public testing::Test {
 protected:
  ExecuteTest() { fs::remove_all(folder_); }
  ~ExecuteTest() override { fs::remove_all(folder_); }

  // Stages that only note that they were done.
  bool execute(Existing existing, const std::vector<std::string>& overrides = {}) {
    Options options = parse_yaml(kStages, "run.yaml");
    options.set("output", folder_);
    for (const std::string& assignment : overrides) apply_override(options, assignment);
    ProgressDisplay display(said_, /*live=*/false);
    done_.clear();
    return distill::execute(
        to_run_config(options, "run.yaml"), existing, display, out_,
        [this] { return interrupted_; },
        [this](const RunConfig&, const StageConfig& stage, const StagePaths&,
               const StageEvents& events) {
          done_.push_back(stage.name);
          if (stage.name == fails_) throw std::runtime_error("the loss is not finite");
          events.update({.updates = 10}, 1.0, {{"student/loss/kl", 0.5}});
          StageResult result;
          result.interrupted = stage.name == stops_;
          if (stage.kind == StageKind::kEvaluate) {
            result.evaluations = {evaluated("teacher", 1), evaluated("student", 2)};
          } else {
            result.evaluations = {evaluated(stage.name, 9)};
            result.evaluations[0].scores.wall_seconds = 7;
            result.evaluations[0].scores.tokens_generated = 1234;
          }
          return result;
        });
  }
  std::string report() const {
    std::ifstream file(folder_ + "/report.md");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string folder_ = own_temp("decant_execute_test");
  std::vector<std::string> done_;
  std::string stops_, fails_;
  bool interrupted_ = false;
  std::ostringstream said_, out_;
};

TEST_F(ExecuteTest, DoesStagesInOrderAndReports) {
  EXPECT_TRUE(execute(Existing::kRefuse));
  EXPECT_THAT(done_, ElementsAre("teacher", "student", "table"));
  EXPECT_THAT(report(), HasSubstr("| teacher | 1.0000 |"));
  EXPECT_THAT(report(), HasSubstr("| student | 2.0000 |"));
  EXPECT_THAT(report(), HasSubstr(" 7.0 s |")) << "what the training of the model took";
  EXPECT_THAT(report(), HasSubstr("| 1234 |")) << "and what was written for it";
  EXPECT_THAT(report(), HasSubstr("student wrote"));
  EXPECT_THAT(report(), testing::Not(HasSubstr("9.0000"))) << "only what was evaluated";
  EXPECT_THAT(out_.str(), HasSubstr("nats/token"));
  EXPECT_THAT(said_.str(), HasSubstr("teacher: step 10/10, loss 0.5000"));
}

TEST_F(ExecuteTest, GoesOnAfterWhatIsFinished) {
  stops_ = "student";
  EXPECT_FALSE(execute(Existing::kRefuse));
  EXPECT_THAT(done_, ElementsAre("teacher", "student"));
  stops_ = "";
  EXPECT_TRUE(execute(Existing::kResume));
  EXPECT_THAT(done_, ElementsAre("student", "table"));
  EXPECT_THAT(said_.str(), HasSubstr("teacher: is finished"));
  EXPECT_TRUE(execute(Existing::kResume));
  EXPECT_THAT(done_, ElementsAre());
  EXPECT_THAT(report(), HasSubstr("| student | 2.0000 |")) << "of the stages done before";
}

TEST_F(ExecuteTest, DoesAgainWhatTheRunFileChangedAndSaysSo) {
  EXPECT_TRUE(execute(Existing::kRefuse));
  EXPECT_TRUE(execute(Existing::kResume, {"stages.student.train.steps=11"}));
  EXPECT_THAT(done_, ElementsAre("student", "table"));
  EXPECT_THAT(said_.str(),
              HasSubstr("student: begins anew, for the run file has changed: train.steps\n"));
}

TEST_F(ExecuteTest, KeepsAStageThatFinishedAsTheInterruptCame) {
  interrupted_ = true;
  EXPECT_FALSE(execute(Existing::kRefuse));
  EXPECT_THAT(done_, ElementsAre("teacher"));
  interrupted_ = false;
  EXPECT_TRUE(execute(Existing::kResume));
  EXPECT_THAT(done_, ElementsAre("student", "table"));
}

TEST_F(ExecuteTest, KeepsWhatWasDoneBeforeAnError) {
  fails_ = "student";
  EXPECT_THROW(execute(Existing::kRefuse), std::runtime_error);
  fails_ = "";
  EXPECT_TRUE(execute(Existing::kResume));
  EXPECT_THAT(done_, ElementsAre("student", "table"));
}

TEST_F(ExecuteTest, RefusesAFolderThatHoldsARun) {
  EXPECT_TRUE(execute(Existing::kRefuse));
  EXPECT_THROW(execute(Existing::kRefuse), ConfigError);
  EXPECT_TRUE(execute(Existing::kOverwrite));
  EXPECT_THAT(done_, ElementsAre("teacher", "student", "table"));
}

}  // namespace
}  // namespace distill
