#include "distill/run_stage.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "distill/registry.h"
#include "distill/yaml.h"
#include "rl/checkpoint.h"
#include "rl/torch.h"
#include "tests/support/other_device.h"

namespace distill {
namespace fs = std::filesystem;
namespace {

std::string fixtures() {
  const char* chosen = std::getenv("DECANT_FIXTURES");
  return chosen != nullptr ? chosen : DECANT_TEST_FIXTURES;
}

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A folder with a little text, for runs that take a second.
class RunStage : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::temp_directory_path() /
        ("decant_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::ofstream text(folder_ / "text.jsonl");
    for (int i = 0; i < 60; ++i) {
      text << R"({"prompt": "count from )" << i << R"(", "response": ")" << i + 1 << ' ' << i + 2
           << ' ' << i + 3 << "\"}\n";
    }
  }
  void TearDown() override { fs::remove_all(folder_); }

  static bool asks_several(const std::string& method) {
    return method.find("teacher_") != std::string::npos;
  }

  RunConfig config(const std::string& method, const std::string& output) const {
    const std::string model = R"({model_type: llama, hidden_size: 16, intermediate_size: 32,
        num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1, vocab_size: 1400,
        max_position_embeddings: 128, bos_token_id: 1, eos_token_id: 2, initializer_range: 0.2})";
    const std::string text = "output: " + (folder_ / output).string() +
                             "\ndata: {train: {files: [" + (folder_ / "text.jsonl").string() +
                             "]}, validation_share: 0.2, prompt_tokens: 24, response_tokens: 16, "
                             "privileged_key: response, privileged_tokens: 60}" +
                             "\ntokenizer: {path: " + fixtures() + "/tokenizers/llama2-bpe}" +
                             (asks_several(method) ? "\nteachers: {one: {config: " + model +
                                                         "}, two: {config: " + model + "}}"
                                                   : "\nteacher: {config: " + model + "}") +
                             "\nstudent: {config: " + model + "}\nmethod: " + method +
                             "\ntrain: {steps: 7, batch_size: 6, learning_rate: 1.0e-2, "
                             "checkpoint_every: 2, evaluate_every: 2, micro_batch_tokens: 64}\n"
                             "evaluate: {examples: 6, continuations: 3}\n"
                             "threads: {shards: 2, per_shard: 1}\n";
    return to_run_config(parse_yaml(text, "run.yaml"), "run.yaml");
  }

  // A teacher that cuts text in another way.
  RunConfig foreign(const std::string& method, const std::string& output) const {
    RunConfig run = config("{name: kd}", output);
    StageConfig& stage = run.stages.front();
    const Options options = parse_yaml(method, "run.yaml");
    stage.method = {.name = "cross_tokenizer", .options = options, .mark = {}};
    stage.teacher->tokenizer = fixtures() + "/tokenizers/gpt2-bbpe";
    stage.teacher->config.erase("vocab_size");
    return run;
  }

  StageResult run(const RunConfig& config, int64_t stop_after = -1) const {
    int64_t updates = 0;
    StageEvents events;
    events.update = [&](const rl::Progress& now, double, const rl::Metrics&) {
      updates = now.updates;
    };
    events.interrupted = [&] { return updates == stop_after; };
    return run_stage(config, config.stages.front(), {config.output, true}, events);
  }

  // Other kernels round in another way, after which a token or two may be drawn otherwise.
  static void expect_alike(const StageResult& found, const StageResult& expected,
                           double tolerance = 1e-2) {
    EXPECT_NEAR(*found.evaluations.back().scores.nats_per_token,
                *expected.evaluations.back().scores.nats_per_token, tolerance);
  }

  void expect_resumes(const std::string& label, const std::string& method) const {
    run(config(method, label + "_whole"));
    for (const int64_t stop : {1, 4}) {
      const std::string output = label + "_cut" + std::to_string(stop);
      EXPECT_TRUE(run(config(method, output), stop).interrupted);
      EXPECT_FALSE(fs::exists(folder_ / output / "student"));
      EXPECT_FALSE(run(config(method, output)).interrupted);
      for (const char* file : {"student/model.safetensors", "metrics.jsonl"}) {
        EXPECT_EQ(content_of((folder_ / (label + "_whole") / file).string()),
                  content_of((folder_ / output / file).string()))
            << label << " stopped after " << stop << ": " << file;
      }
    }
  }

  fs::path folder_;
};

TEST_F(RunStage, WritesAStudentThatLoadsAndTheScoresOfTheTable) {
  const StageResult result = run(config("{name: kd}", "kd"));
  EXPECT_FALSE(result.interrupted);
  ASSERT_EQ(result.evaluations.size(), 3);
  const ModelScores& teacher = result.evaluations[0].scores;
  const ModelScores& before = result.evaluations[1].scores;
  const ModelScores& after = result.evaluations[2].scores;
  EXPECT_EQ(teacher.name, "teacher");
  EXPECT_FALSE(teacher.forward_kl.has_value());
  EXPECT_LT(*after.forward_kl, *before.forward_kl);
  EXPECT_GT(*after.rouge_l, -1);
  EXPECT_EQ(result.evaluations[2].continuations.size(), 3);
  for (const char* file : {"model.safetensors", "config.json", "tokenizer.json"}) {
    EXPECT_TRUE(fs::exists(folder_ / "kd" / "student" / file)) << file;
  }
  const std::string metrics = content_of((folder_ / "kd" / "metrics.jsonl").string());
  EXPECT_EQ(std::count(metrics.begin(), metrics.end(), '\n'), 7);
}

// Nothing that the host holds is mixed with what the device holds, before a stop and after it.
TEST_F(RunStage, IsTheSameOnAnotherDevice) {
  const auto device = testing_support::other_device();
  if (!device) GTEST_SKIP() << "LibTorch 2 without a GPU";
  const std::vector<std::string> methods = {"sft",
                                            "kd, actions: {name: top_k, k: 5}",
                                            "seq_kd",
                                            "gkd, memory: {name: replay, capacity: 20}",
                                            "bellman, actions: {name: top_p, p: 0.9}",
                                            "f_distill",
                                            "distillm, share: 0.6, share_step: 0.2",
                                            "distillm2, curriculum: true",
                                            "taid",
                                            "ranking, dynamic: true",
                                            "sparse_sampling",
                                            "g_opd",
                                            "minillm",
                                            "llmr",
                                            "endogenous",
                                            "sqil",
                                            "iq_learn, student_share: 0.5",
                                            "mix_kd",
                                            "speculative",
                                            "online_teacher",
                                            "self_distill, teacher: average",
                                            "collaborative, alternate_every: 2",
                                            "collaborative, alternate_every: 2, update: average",
                                            "teacher_ensemble, hidden: 4, per: token, patience: 9",
                                            "teacher_selection, reward: r3"};
  for (size_t i = 0; i < methods.size(); ++i) {
    SCOPED_TRACE(methods[i]);
    const std::string method = "{name: " + methods[i] + "}", output = std::to_string(i);
    RunConfig there = config(method, "there" + output);
    there.device = device->str();
    EXPECT_TRUE(run(there, 3).interrupted);
    expect_alike(run(there), run(config(method, "here" + output)));
  }
}

TEST_F(RunStage, IsAlikeOnAnotherDeviceInBfloat16) {
  const auto device = testing_support::other_device();
  if (!device) GTEST_SKIP() << "LibTorch 2 without a GPU";
  RunConfig there = config("{name: gkd}", "there"), here = config("{name: gkd}", "here");
  there.device = device->str();
  for (RunConfig* run : {&there, &here}) run->stages.front().train.compute = "bfloat16";
  expect_alike(run(there), run(here), 5e-2);
}

TEST_F(RunStage, IsTheSameOnAnotherDeviceWithATeacherOfOtherTokens) {
  const auto device = testing_support::other_device();
  if (!device) GTEST_SKIP() << "LibTorch 2 without a GPU";
  for (const std::string method : {"form: uld", "form: gold\nlambda: 0.5\nper: example"}) {
    RunConfig there = foreign(method, "there" + method.substr(6, 4));
    there.device = device->str();
    expect_alike(run(there), run(foreign(method, "here" + method.substr(6, 4))));
  }
}

// Stopped at any update and resumed, a run is the run that never stopped: weights and metrics.
TEST_F(RunStage, ResumesToTheSameBits) {
  const std::map<std::string, std::string> methods = {
      {"sft", ""},
      {"kd", ""},
      {"seq_kd", ""},
      {"gkd", ""},
      {"bellman", ""},
      {"ab_kd", ", student_fraction: 0.5"},
      {"f_distill", ""},
      {"distillm", ", share: 0.6, share_step: 0.2, tolerance: 0, capacity: 8"},
      {"distillm2", ", curriculum: true, beta: {from: 1, to: 1.5}"},
      {"taid", ", alpha: 0.1"},
      {"ranking", ", dynamic: true"},
      {"sparse_sampling", ", draws: 6"},
      {"g_opd", ""},
      {"minillm", ""},
      {"mix_kd", ""},
      {"endogenous", ""},
      {"sqil", ""},
      {"iq_learn", ", student_share: 0.5"},
      {"speculative", ""}};
  for (const auto& [name, options] : methods) {
    expect_resumes(name, "{name: " + name + options + "}");
  }
}

TEST_F(RunStage, ResumesToTheSameBitsWhereTheTeacherChanges) {
  expect_resumes("online", "{name: online_teacher, rank: 4}");
  expect_resumes("self_average", "{name: self_distill, teacher: average, average_share: 0.3}");
  expect_resumes("self_frozen", "{name: self_distill}");
  expect_resumes("repair_modules", "{name: collaborative, alternate_every: 2, rank: 4}");
  expect_resumes("repair_average",
                 "{name: collaborative, alternate_every: 2, update: average, keep: 0.5}");
}

TEST_F(RunStage, ResumesToTheSameBitsWithSeveralTeachers) {
  expect_resumes("ensemble", "{name: teacher_ensemble, patience: 9}");
  expect_resumes("selection", "{name: teacher_selection, reward: r3, warm_up: 6}");
}

// The layers are averaged whoever asks the judge, and whenever.
TEST_F(RunStage, RepairsATeacherThatOnlyALearnerAsks) {
  const std::string judge =
      "{name: repaired_teacher, update: average, keep: 0.5, alternate_every: 2}";
  const auto nats = [&](const std::string& method, const std::string& output) {
    return *run(config(method, output)).evaluations.back().scores.nats_per_token;
  };
  const double by_learner =
      nats("{name: custom, judge: " + judge + ", learners: [{judge: " + judge +
               ", objectives: [{reward: [{term: forward_kl, weight: -1}]}]}]}",
           "learner");
  const double by_agent =
      nats("{name: collaborative, update: average, keep: 0.5, alternate_every: 2}", "agent");
  EXPECT_NEAR(by_learner, by_agent, 1e-4);
  EXPECT_GT(std::abs(by_learner - nats("{name: kd}", "frozen")), 1e-3);
}

TEST_F(RunStage, ReportsEveryTeacherAndComparesWithTheFirst) {
  const StageResult result = run(config("{name: teacher_ensemble}", "several"));
  ASSERT_EQ(result.evaluations.size(), 4);
  EXPECT_EQ(result.evaluations[0].scores.name, "one");
  EXPECT_FALSE(result.evaluations[0].scores.forward_kl.has_value());
  EXPECT_GT(*result.evaluations[1].scores.forward_kl, 0);
  const std::string metrics = content_of((folder_ / "several" / "metrics.jsonl").string());
  EXPECT_THAT(metrics, testing::HasSubstr("gate/weight/1"));
}

TEST_F(RunStage, LearnsFromATeacherOfOtherTokensAndResumesToTheSameBits) {
  for (const std::string method : {"form: uld", "form: gold\nlambda: 0.5\nper: example"}) {
    const std::string name = method.substr(6, 4);
    const StageResult result = run(foreign(method, name + "whole"));
    EXPECT_EQ(result.evaluations.size(), 2u);  // the student before and after
    EXPECT_FALSE(result.evaluations[1].scores.forward_kl.has_value());
    EXPECT_TRUE(run(foreign(method, name + "cut"), 4).interrupted);
    EXPECT_FALSE(run(foreign(method, name + "cut")).interrupted);
    for (const char* file : {"student/model.safetensors", "metrics.jsonl"}) {
      EXPECT_EQ(content_of((folder_ / (name + "whole") / file).string()),
                content_of((folder_ / (name + "cut") / file).string()))
          << method << ": " << file;
    }
    const std::string metrics = content_of((folder_ / (name + "whole") / "metrics.jsonl").string());
    EXPECT_THAT(metrics, testing::HasSubstr("student/one_to_one"));
  }
}

// A held-out loss that cannot get better: a rate of next to nothing.
TEST_F(RunStage, StopsWhenPatienceIsOver) {
  RunConfig patient = config("{name: teacher_ensemble, patience: 2}", "patient");
  patient.stages.front().train.learning_rate = 1e-30;
  EXPECT_FALSE(run(patient).interrupted);
  const std::string metrics = content_of((folder_ / "patient" / "metrics.jsonl").string());
  EXPECT_EQ(std::count(metrics.begin(), metrics.end(), '\n'), 6);  // the first sets what is best
  EXPECT_THAT(metrics, testing::HasSubstr("held_out/distillation"));
}

TEST_F(RunStage, GoesOnFromTheLastCheckpointWhenItWasKilledInBetween) {
  const std::string method = "{name: gkd, memory: {name: replay, capacity: 20}}";
  run(config(method, "whole"));
  run(config(method, "killed"), 5);
  // As a kill after update 4's checkpoint and during the writing of the next one leaves it.
  const fs::path checkpoints = folder_ / "killed" / "checkpoints";
  fs::rename(checkpoints / "00000005", checkpoints / "00000005.part");
  fs::remove(checkpoints / "00000005.part" / "manifest.json");
  EXPECT_EQ(rl::latest_checkpoint(checkpoints.string()), 4);
  run(config(method, "killed"));
  for (const char* file : {"student/model.safetensors", "metrics.jsonl"}) {
    EXPECT_EQ(content_of((folder_ / "whole" / file).string()),
              content_of((folder_ / "killed" / file).string()))
        << file;
  }
}

// The student at the start is one reference, a model from a folder another.
TEST_F(RunStage, ReadsTheReferenceOfARewardFromAFolder) {
  run(config("{name: sft}", "base"));
  const std::string base = (folder_ / "base" / "student").string();
  run(config("{name: g_opd}", "own"));
  run(config("{name: g_opd, reference: {path: " + base + "}}", "other"));
  run(config("{name: g_opd, lambda: 1, reference: {path: " + base + "}}", "none"));
  run(config("{name: on_policy}", "plain"));
  const auto weights = [&](const std::string& output) {
    return content_of((folder_ / output / "student/model.safetensors").string());
  };
  EXPECT_NE(weights("own"), weights("other"));
  EXPECT_EQ(weights("none"), weights("plain"));
  try {
    run(config("{name: g_opd, reference: {path: " + base + "_not}}", "missing"));
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("base/student_not"));
  }
}

TEST_F(RunStage, NamesADamagedCheckpoint) {
  run(config("{name: sft}", "damaged"), 3);
  const fs::path file = folder_ / "damaged" / "checkpoints" / "00000003" / "state.safetensors";
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary).seekp(-4, std::ios::end)
      << "oops";
  try {
    run(config("{name: sft}", "damaged"));
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("state.safetensors: damaged"));
  }
}

TEST_F(RunStage, RefusesAMethodWithoutTheTeacherItNeeds) {
  RunConfig run_config = config("{name: kd}", "no_teacher");
  run_config.stages.front().teacher.reset();
  try {
    run(run_config);
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("needs a teacher"));
  }
}

TEST_F(RunStage, RefusesSequencesLongerThanTheContext) {
  RunConfig run_config = config("{name: kd}", "long");
  run_config.stages.front().data.response_tokens = 500;
  try {
    run(run_config);
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("do not fit its context of 128"));
  }
}

}  // namespace
}  // namespace distill
