#include "distill/check.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "agents/weights.h"
#include "distill/yaml.h"
#include "tests/distill/expect_error.h"
#include "tests/distill/own_temp.h"
#include "tests/distill/tiny_model.h"

namespace distill {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class CheckTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    make_tiny_model(folder() + "/teacher", 1, 4);
    make_tiny_model(folder() + "/student", 2, 2);
    write_records(folder() + "/train.jsonl");
  }
  static void TearDownTestSuite() { fs::remove_all(folder()); }
  static std::string folder() { return own_temp("decant_check_test"); }

  static RunConfig config(const std::vector<std::string>& overrides = {}) {
    const std::string f = folder();
    Options options = parse_yaml("output: " + f +
                                     "/run\n"
                                     "data: {train: {files: [" +
                                     f +
                                     "/train.jsonl]}, prompt_tokens: 24, "
                                     "response_tokens: 24}\n"
                                     "teacher: {path: " +
                                     f +
                                     "/teacher}\n"
                                     "student: {path: " +
                                     f +
                                     "/student}\n"
                                     "method: {name: gkd}\n"
                                     "train: {steps: 3}\n",
                                 "run.yaml");
    for (const std::string& assignment : overrides) apply_override(options, assignment);
    return to_run_config(options, "run.yaml");
  }
  static void expect_problem(const std::vector<std::string>& overrides,
                             const std::string& problem) {
    EXPECT_THAT(check(config(overrides), true).problems, ElementsAre(HasSubstr(problem)));
  }
};

TEST_F(CheckTest, SaysWhatWillBeReadAndHowLargeModelsAre) {
  const CheckReport report = check(config(), true);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.facts, Contains("distill: distill by gkd"));
  EXPECT_THAT(report.facts, Contains("  data: 1 file"));
  EXPECT_THAT(report.facts, Contains(HasSubstr("  teacher: llama, ")));
  EXPECT_THAT(report.facts, Contains(HasSubstr("  examples: ")));
  EXPECT_THAT(report.facts, Contains(HasSubstr("  held out: ")));
}

TEST_F(CheckTest, CountsParametersAsTheModelHasThem) {
  int64_t count = 0;
  const agents::Decoder decoder = agents::load_decoder(folder() + "/student");
  for (const auto& parameter : decoder->parameters()) count += parameter.numel();
  EXPECT_THAT(check(config(), false).facts,
              Contains(HasSubstr("  student: llama, " + std::to_string(count) + " parameters")));
}

TEST_F(CheckTest, FindsMissingFilesAndFolders) {
  expect_problem({"data.train.files=[/no/such.txt]"}, "/no/such.txt");
  expect_problem({"teacher.path=/no/such", "tokenizer.path=" + folder() + "/student"}, "/no/such");
  expect_problem({"student={config: /no/such.json}"}, "/no/such.json");
}

TEST_F(CheckTest, FindsWhatDoesNotFitTheContext) {
  const auto problems = check(config({"data.response_tokens=50"}), true).problems;
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_THAT(problems[0], HasSubstr("run.yaml:3:10: teacher: prompts of 24 and responses of 50 "
                                     "tokens do not fit its context of 64"));
  EXPECT_THAT(problems[1], HasSubstr("run.yaml:4:10: student: "));
}

TEST_F(CheckTest, FindsRecordsThatCannotBeRead) {
  const std::string file = folder() + "/broken.jsonl";
  std::ofstream(file) << "{\"prompt\": \"a\", \"response\": \"b\"}\n{\"prompt\": \n";
  expect_problem({"data.train.files=[" + file + "]"}, file + ":2: ");
  EXPECT_THAT(check(config({"data.train.files=[" + file + "]"}), false).problems, IsEmpty())
      << "a quick look reads no records";
}

TEST_F(CheckTest, FindsVocabulariesThatDiffer) {
  const std::string other = folder() + "/other";
  fs::create_directories(other);
  std::ofstream(other + "/text.txt")
      << "entirely different words for another vocabulary altogether\n"
         "entirely different words for another vocabulary altogether\n";
  ASSERT_NO_THROW(make_tiny_model(other + "/model", 3));
  fs::copy(std::string(DECANT_TEST_FIXTURES) + "/tokenizers/gpt2-bbpe/tokenizer.json",
           other + "/model/tokenizer.json", fs::copy_options::overwrite_existing);
  const auto problems = check(config({"student.path=" + other + "/model"}), false).problems;
  ASSERT_FALSE(problems.empty());
  EXPECT_THAT(problems, Contains(HasSubstr("student: the vocabulary of " + other +
                                           "/model is not that "
                                           "of " +
                                           folder() + "/teacher: ")));
}

TEST_F(CheckTest, FindsDamagedWeights) {
  const std::string damaged = folder() + "/damaged";
  fs::copy(folder() + "/student", damaged, fs::copy_options::recursive);
  fs::resize_file(damaged + "/model.safetensors", 1000);
  expect_problem({"student.path=" + damaged}, damaged + "/model.safetensors");
}

TEST_F(CheckTest, TakesWhatStagesWillMakeForWhatTheyAreToMake) {
  const std::string f = folder();
  const RunConfig run =
      to_run_config(parse_yaml("output: " + f +
                                   "/stages\n"
                                   "data: {train: {files: [" +
                                   f +
                                   "/train.jsonl]}, prompt_tokens: 24, "
                                   "response_tokens: 100}\n"
                                   "tokenizer: {stage: words}\n"
                                   "train: {steps: 3}\n"
                                   "stages:\n"
                                   "  words: {kind: tokenizer, tokenizer: {vocabulary_size: 300}}\n"
                                   "  teacher: {kind: pretrain, student: {config: " +
                                   f +
                                   "/teacher}}\n"
                                   "  gkd:\n"
                                   "    method: {name: gkd}\n"
                                   "    teacher: {stage: teacher}\n"
                                   "    student: {layers_of: {stage: teacher}, every: 2}\n",
                               "run.yaml"),
                    "run.yaml");
  const CheckReport report = check(run, true);
  EXPECT_THAT(report.problems, ElementsAre(HasSubstr("run.yaml:7:38: student: prompts of 24"),
                                           HasSubstr("teacher: prompts of 24"),
                                           HasSubstr("student: prompts of 24")));
  EXPECT_THAT(report.facts, Contains(HasSubstr("words: tokenizer")));
}

TEST_F(CheckTest, RefusesAnAdaptiveShareWithoutAnEvaluation) {
  expect_error(
      [] { config({"method.name=distillm"}); },
      "distillm: its share of the student's own responses follows the held-out loss; needs "
      "train.evaluate_every >= 1, found 0",
      /*is_whole=*/false);
  EXPECT_NO_THROW(config({"method.name=distillm", "train.evaluate_every=2"}));
}

TEST_F(CheckTest, LetsARunBeginOnlyWhereNothingIsWrong) {
  EXPECT_NO_THROW(require_runnable(config()));
  expect_error([] { require_runnable(config({"device=cuda:99"})); }, "device: cuda:99 is not there",
               /*is_whole=*/false);
}

}  // namespace
}  // namespace distill
