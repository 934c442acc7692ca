#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>

#include "agents/knowledge_store.h"
#include "agents/nets/soft_prompt.h"
#include "agents/weights.h"
#include "distill/check.h"
#include "distill/components/components.h"
#include "distill/components/label_domain.h"
#include "distill/components/prompt_domain.h"
#include "distill/retrieval_stage.h"
#include "distill/run_stage.h"
#include "distill/yaml.h"
#include "envs/token/text_file.h"
#include "rl/torch.h"
#include "tests/distill/expect_error.h"
#include "tests/distill/own_temp.h"
#include "tests/distill/tiny_model.h"
#include "tests/support/other_device.h"

namespace distill {
namespace fs = std::filesystem;
namespace {

using testing::HasSubstr;

constexpr const char* kTask = R"(
output: OUT
threads: {shards: 2, per_shard: 1}
tokenizer: {path: DIR}
task: {files: [DIR/task.tsv], text: [sentence], label: label, labels: [cat, dog],
       validation_share: 0.3, max_tokens: 20}
teacher: {stage: teacher}
train: {steps: 30, batch_size: 8, learning_rate: 1.0e-2, micro_batch_tokens: 128}
evaluate: {examples: 8, continuations: 8}
method: {name: retrieval, group_size: 8, epochs: 2, longest: 20}
stages:
  teacher:
    kind: pretrain
    data: {train: {files: [DIR/lines.txt]}, separator: "\n", prompt_tokens: 1, response_tokens: 20,
           validation_share: 0.2}
    student: {config: {model_type: llama, hidden_size: 16, intermediate_size: 32,
      num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 1,
      max_position_embeddings: 40, bos_token_id: 1, eos_token_id: 2, initializer_range: 0.1}}
  classifier: {kind: classifier, student: {stage: teacher}}
  prompt:
    {kind: soft_prompt, classifier: {stage: classifier}, soft_prompt: {tokens: 4}}
  prompt_rl:
    kind: soft_prompt_rl
    classifier: {stage: classifier}
    soft_prompt: {stage: prompt}
    train: {steps: 6, learning_rate: 1.0e-3}
  texts:
    kind: store
    classifier: {stage: classifier}
    soft_prompt: {stage: prompt_rl}
    store: {generated: 130, confidence: 0.5, near_duplicate: 1}
  student:
    kind: retrieve
    store: {stage: texts}
    answer: {neighbours: 4}
    train: {batch_size: 2}
    student: {config: {model_type: llama, hidden_size: 4, intermediate_size: 8,
      num_hidden_layers: 1, num_attention_heads: 1, num_key_value_heads: 1,
      max_position_embeddings: 40, bos_token_id: 1, eos_token_id: 2, initializer_range: 0.3}}
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// Two kinds of sentences, a model of a few thousand numbers, and all stages in seconds.
class Retrieval : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    make_tiny_model(folder());
    std::ofstream lines(folder() + "/lines.txt"), task(folder() + "/task.tsv");
    task << "id\tsentence\tlabel\n";
    for (int i = 0; i < 60; ++i) {
      const bool is_cat = i % 2 == 0;
      const std::string text = is_cat ? "the cat sat on the mat " + std::to_string(i)
                                      : "the dog ran after it " + std::to_string(i);
      lines << text << "\n";
      task << i << "\t" << text << "\t" << (is_cat ? "cat" : "dog") << "\n";
    }
  }
  static void TearDownTestSuite() { fs::remove_all(folder()); }
  static std::string folder() { return own_temp("retrieval"); }

  static RunConfig config(const std::string& output, const std::vector<std::string>& overrides = {},
                          const std::string& text = kTask) {
    const std::string filled =
        replaced(replaced(text, "OUT", folder() + "/" + output), "DIR", folder());
    Options options = parse_yaml(filled, "run.yaml");
    for (const std::string& assignment : overrides) apply_override(options, assignment);
    return to_run_config(options, "run.yaml");
  }

  // Runs every stage; one that is named is stopped after so many updates first.
  static std::map<std::string, StageResult> run(const RunConfig& config,
                                                const std::map<std::string, int64_t>& stops = {}) {
    std::map<std::string, StageResult> results;
    for (const StageConfig& stage : config.stages) {
      const auto stop = stops.find(stage.name);
      if (stop != stops.end()) {
        EXPECT_TRUE(once(config, stage, stop->second).interrupted) << stage.name;
      }
      results[stage.name] = once(config, stage, -1);
      EXPECT_FALSE(results[stage.name].interrupted) << stage.name;
    }
    return results;
  }

  static StageResult once(const RunConfig& config, const StageConfig& stage, int64_t stop) {
    int64_t updates = 0;
    StageEvents events;
    events.update = [&](const rl::Progress& now, double, const rl::Metrics&) {
      updates = now.updates;
    };
    events.interrupted = [&] { return stop >= 0 && updates >= stop; };
    return run_stage(config, stage, {config.output, false}, events);
  }
};

TEST_F(Retrieval, ATextThatIsCutDoesNotEnd) {
  const agents::Decoder teacher = agents::load_decoder(folder());
  PromptDomainOptions options;
  options.student = std::make_shared<agents::PromptedModel>(
      teacher, agents::new_soft_prompt(teacher, 2, 2, 5), /*has_value=*/false);
  options.tokenizer = envs::load_tokenizer(folder());
  options.eos_id = 2;
  options.max_text_tokens = 3;
  const envs::Example whole = prompted_example(options, {{5, 6}, 0});
  EXPECT_EQ(whole.response, (std::vector<int64_t>{5, 6, 2}));
  EXPECT_TRUE(whole.ended);
  const envs::Example cut = prompted_example(options, {{5, 6, 7}, 1});
  EXPECT_EQ(cut.response, (std::vector<int64_t>{5, 6, 7}));
  EXPECT_FALSE(cut.ended);
}

TEST_F(Retrieval, GoesFromLabelledTextsToAStudentThatLooksThingsUp) {
  const RunConfig whole = config("whole");
  const auto results = run(whole);
  EXPECT_GT(*results.at("classifier").evaluations[0].scores.accuracy, 0.95);
  const auto& student = results.at("student").evaluations;
  ASSERT_EQ(student.size(), 2u);
  EXPECT_EQ(student[0].scores.name, "student without store");
  EXPECT_GT(*student[1].scores.accuracy, 0.95);
  const auto& prompt = results.at("prompt_rl").evaluations;
  ASSERT_EQ(prompt.size(), 2u);
  EXPECT_EQ(prompt[0].scores.name, "prompt_rl before");
  EXPECT_TRUE(prompt[1].scores.agreement && prompt[1].scores.self_bleu &&
              prompt[1].scores.distinct);
  EXPECT_EQ(prompt[1].continuations.size(), 8u);

  const auto store = agents::KnowledgeStore::load(whole.output + "/texts/student");
  const auto own = agents::KnowledgeStore::load(whole.output + "/student/student/store");
  EXPECT_EQ(store.embeddings.size(1), 16);
  EXPECT_EQ(own.embeddings.size(1), 4);
  EXPECT_EQ(own.size(), store.size());
  EXPECT_GT(store.size(), 42) << "the task's own texts, and some that were written";
}

TEST_F(Retrieval, IsTheSameOnAnotherDevice) {
  const auto device = testing_support::other_device();
  if (!device) GTEST_SKIP() << "LibTorch 2 without a GPU";
  const std::vector<std::string> memory = {
      "stages.teacher.evaluate.memory={examples: 40, neighbours: 4, share: 0.5}"};
  RunConfig there = config("there", memory);
  there.device = device->str();
  const auto found = run(there), expected = run(config("here", memory));
  const auto last = [](const auto& results, const char* stage) {
    return results.at(stage).evaluations.back().scores;
  };
  EXPECT_NEAR(*last(found, "teacher").memory_nats, *last(expected, "teacher").memory_nats, 5e-2);
  EXPECT_NEAR(*last(found, "prompt_rl").self_bleu, *last(expected, "prompt_rl").self_bleu, 5e-2);
  EXPECT_NEAR(*last(found, "student").accuracy, *last(expected, "student").accuracy, 5e-2);
}

TEST_F(Retrieval, ResumesEveryStageToTheSameBits) {
  const RunConfig whole = config("straight"), cut = config("cut");
  run(whole);
  run(cut, {{"teacher", 3},
            {"classifier", 7},
            {"prompt", 5},
            {"prompt_rl", 3},
            {"texts", 64},
            {"student", 11}});
  for (const char* file :
       {"classifier/student/classifier.safetensors", "classifier/metrics.jsonl",
        "prompt/student/soft_prompt.safetensors", "prompt/metrics.jsonl",
        "prompt_rl/student/soft_prompt.safetensors", "prompt_rl/metrics.jsonl",
        "texts/student/examples.jsonl", "texts/student/embeddings.safetensors",
        "texts/student/manifest.json", "student/student/model.safetensors",
        "student/student/classifier.safetensors", "student/student/store/embeddings.safetensors",
        "student/metrics.jsonl"}) {
    EXPECT_EQ(envs::read_file(whole.output + "/" + file), envs::read_file(cut.output + "/" + file))
        << file;
  }
}

TEST_F(Retrieval, IsCheckedBeforeItRuns) {
  EXPECT_THAT(check(config("checked"), true).problems, testing::IsEmpty());
  const auto first_problem = [](const RunConfig& run) {
    const auto problems = check(run, false).problems;
    return problems.empty() ? std::string() : problems.front();
  };
  EXPECT_THAT(first_problem(config("checked", {"task.label=kind"})),
              HasSubstr("task.tsv:2: no column \"kind\"; there are id, sentence, label"));
  EXPECT_THAT(first_problem(config("checked", {"task.labels=[cat, bird]"})),
              HasSubstr("task.tsv:3: unknown label \"dog\"; known: cat, bird"));
  EXPECT_THAT(first_problem(config("checked", {"task.max_tokens=50"})),
              HasSubstr("do not fit its context of 40"));
}

TEST_F(Retrieval, NamesWhatAStageLacks) {
  const auto refuse = [](const std::vector<std::string>& overrides, const std::string& message) {
    expect_error([&] { config("refused", overrides); }, message, /*is_whole=*/false);
  };
  refuse({"stages.student.store.stage=prompt"},
         "stage \"student\": stage \"prompt\" of kind soft_prompt makes no store");
  refuse({"stages.prompt.classifier.stage=teacher"},
         "stage \"teacher\" of kind pretrain makes no classifier");
  refuse({"stages.texts.soft_prompt={tokens: 3}"}, "needs soft_prompt: {stage: name}");
  refuse({"stages.texts.store.confidence=1.5"}, "0 <= confidence <= 1");
  refuse({"stages.student.answer.share=-1"}, "0 <= share <= 1");
  refuse({"stages.student.method={name: sft}"}, "takes method retrieval, found sft");
  refuse({"stages.teacher.method={name: retrieval}"}, "has kinds of stages of its own");
  refuse({"task.labels=[cat]"}, "labels: two at least");
  refuse({"stages.classifier.answer={share: 1}"}, "a stage of kind classifier takes no answer");
}

// The language form: contexts of the training text are looked up while a language model is scored.
TEST_F(Retrieval, TellsWhatALanguageModelPredictsWithAMemory) {
  const RunConfig with = config(
      "memory", {"stages.teacher.evaluate.memory={examples: 40, neighbours: 4, share: 0.5}"});
  const ModelScores scores = once(with, with.stage("teacher"), -1).evaluations.back().scores;
  ASSERT_TRUE(scores.memory_nats && scores.nats_per_token);
  EXPECT_LT(*scores.memory_nats, *scores.nats_per_token);
  const RunConfig none = config(
      "memoryless", {"stages.teacher.evaluate.memory={examples: 40, neighbours: 4, share: 0.0}"});
  const ModelScores alone = once(none, none.stage("teacher"), -1).evaluations.back().scores;
  EXPECT_NEAR(*alone.memory_nats, *alone.nats_per_token, 1e-5);
}

TEST_F(Retrieval, PrintsAndReadsBack) {
  const std::string text = to_yaml(to_options(config("printed")));
  EXPECT_EQ(to_yaml(to_options(to_run_config(parse_yaml(text, "run.yaml"), "run.yaml"))), text);
}

TEST_F(Retrieval, RefusesATaskWithNothingHeldOut) {
  TaskConfig task = config("empty").stages[1].retrieval.task;
  task.files = {folder() + "/task.tsv"};
  task.text = {"sentence"};
  task.labels = {"cat", "dog"};
  task.validation_share = 1e-9;
  expect_error([&] { read_task(task, {}); }, "no text is left to hold out", /*is_whole=*/false);
}

// What RetriKT-1's reward is made of, through the payers: weights of the label, of self-BLEU and of the band.
TEST(RetrievalPayers, PayAtTheLastStep) {
  rl::Trajectory t{.observation = torch::zeros({2, 4}, torch::kInt64),
                   .start = torch::zeros({2}, torch::kInt64),
                   .action = torch::tensor({{1, 2, 3}, {1, 2, 0}}, torch::kInt64),
                   .actions = {},
                   .behavior_log_prob = torch::zeros({2, 3}),
                   .reward = torch::zeros({2, 3}),
                   .discount = torch::zeros({2, 3}),
                   .mask = torch::tensor({{1, 1, 1}, {1, 1, 0}}).to(torch::kBool),
                   .state_mask = torch::tensor({{1, 1, 1}, {1, 1, 0}}).to(torch::kBool),
                   .episode = torch::arange(2),
                   .own = torch::ones({2}, torch::kBool),
                   .notes = {}};
  const LabelDomain nobody({});
  const Context context{.domain = nobody, .seed = 1, .threads = {}, .micro_batch_tokens = 64};
  const auto paid = [&](const ComponentSpec& spec) { return make_payer(spec, context)->pay(t); };
  const rl::Tensor length = paid({"length_outside", {{"shortest", 3}, {"longest", 9}}});
  EXPECT_TRUE(length.equal(torch::tensor({{0.0F, 0.0F, 0.0F}, {0.0F, 1.0F, 0.0F}})));
  const rl::Tensor bleu = paid({"self_bleu", {{"order", 1}}});
  EXPECT_NEAR(bleu[0][2].item<double>(), 2.0 / 3, 1e-6);
  EXPECT_NEAR(bleu[1][1].item<double>(), std::exp(1 - 3.0 / 2), 1e-6);
  EXPECT_EQ(bleu.count_nonzero().item<int64_t>(), 2);
  expect_error([&] { paid({"intended_label"}); }, "nobody here pays it", /*is_whole=*/false);
}

}  // namespace
}  // namespace distill
