#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "agents/weights.h"
#include "distill/check.h"
#include "distill/components/components.h"
#include "distill/components/text_domain.h"
#include "distill/registry.h"
#include "distill/yaml.h"
#include "envs/token/dataset_source.h"
#include "rl/torch.h"
#include "tests/distill/expect_error.h"
#include "tests/distill/own_temp.h"
#include "tests/distill/tiny_model.h"

namespace distill {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

AgentSpec agent_of(const std::string& yaml) {
  const Options options = yaml.empty() ? Options() : parse_yaml(yaml, "run.yaml");
  const MethodSpec method = find_method("self_distill").build(options);
  check_components(method);
  return method.stages.at(0).agent;
}

TEST(SelfDistill, IsJudgedByItselfAndNeedsNoTeacher) {
  const AgentSpec agent = agent_of("");
  EXPECT_EQ(agent.judge.name, "self");
  EXPECT_EQ(agent.source.name, "rollout");
  EXPECT_TRUE(is_judged(agent));
  EXPECT_FALSE(needs_teacher(agent));
  EXPECT_TRUE(needs_privileged(agent));
  EXPECT_FALSE(needs_responses(agent));
  EXPECT_EQ(make_offer(agent, 1).temperature, 1.1);
  EXPECT_EQ(agent.learners[0].objectives[0].reward.terms[0].term.name, "jsd");
}

TEST(SelfDistill, RefusesWhatIsOutOfRange) {
  const auto build = [](const std::string& yaml) { return [yaml] { agent_of(yaml); }; };
  expect_error(build("teacher: alive"), "run.yaml:1:10: ", /*is_whole=*/false);
  expect_error(build("teacher: average\naverage_share: 0"), "needs 0 < average_share <= 1",
               /*is_whole=*/false);
  expect_error(build("average_share: 0.5"), "needs teacher: average where average_share is set",
               /*is_whole=*/false);
  expect_error(build("divergence: forward_kl\nbeta: 0.3"), "needs divergence: jsd",
               /*is_whole=*/false);
}

agents::Decoder tiny() {
  const std::string json =
      R"({"model_type": "llama", "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24,
          "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
          "max_position_embeddings": 64, "initializer_range": 0.2})";
  return agents::new_decoder(agents::parse_decoder_config(json, "tiny"), 1);
}

TextDomain domain_of(const agents::Decoder& student, const std::string& yaml) {
  TextDomainOptions options;
  options.student = student;
  options.judge = agent_of(yaml).judge;
  return TextDomain(options);
}

// What the judge's head is, before the student's has doubled and after one more collection.
bool follows(const std::string& yaml) {
  const agents::Decoder student = tiny();
  const TextDomain domain = domain_of(student, yaml);
  const ComponentSpec judge = agent_of(yaml).judge;
  const auto readout = domain.judge_readout(judge, {});
  const rl::Tensor before = readout->weight.clone();
  {
    torch::NoGradGuard no_grad;
    student->head_weight().mul_(2);
  }
  if (const auto follower = domain.follower(judge)) follower->follow({});
  const bool moved = !readout->weight.equal(before);
  EXPECT_EQ(moved, readout->weight.equal(student->head_weight()));
  return moved;
}

TEST(SelfDistill, FollowsTheStudentOrNeverChanges) {
  EXPECT_FALSE(follows("teacher: frozen"));
  EXPECT_TRUE(follows("teacher: live"));
  EXPECT_TRUE(follows("{teacher: average, average_share: 1}"));
}

class SelfDistillCheck : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    make_tiny_model(folder() + "/student", 2, 2);
    std::ofstream(folder() + "/good.jsonl")
        << R"({"prompt": "the cat", "hint": "sat", "response": " sat"})"
        << "\n"
        << R"({"prompt": "the dog", "hint": "ran", "response": " ran"})"
        << "\n";
    std::ofstream(folder() + "/bad.jsonl")
        << R"({"prompt": "the cat", "hint": "sat", "response": " sat"})"
        << "\n"
        << R"({"prompt": "the dog", "response": " ran"})"
        << "\n";
    std::ofstream(folder() + "/empty.jsonl")
        << R"({"prompt": "the cat", "hint": "", "response": " sat"})"
        << "\n";
    std::ofstream(folder() + "/plain.txt") << "the cat sat on the mat\n";
  }
  static void TearDownTestSuite() { fs::remove_all(folder()); }
  static std::string folder() { return own_temp("decant_self_distill_test"); }

  static CheckReport report(const std::string& file,
                            const std::vector<std::string>& overrides = {}) {
    const std::string f = folder();
    Options options =
        parse_yaml("output: " + f + "/run\ndata: {train: {files: [" + f + "/" + file +
                       "]}, validation: {files: [" + f +
                       "/good.jsonl]}, prompt_tokens: 16, "
                       "response_tokens: 16, privileged_key: hint, privileged_tokens: 32}\n"
                       "student: {path: " +
                       f + "/student}\nmethod: {name: self_distill}\ntrain: {steps: 3}\n",
                   "run.yaml");
    for (const std::string& assignment : overrides) apply_override(options, assignment);
    return check(to_run_config(options, "run.yaml"), true);
  }
};

TEST_F(SelfDistillCheck, TakesExamplesWithAPrivilegedText) {
  EXPECT_THAT(report("good.jsonl").problems, ElementsAre());
  EXPECT_THAT(report("good.jsonl").facts, Contains(HasSubstr("  examples: 2 examples")));
}

TEST_F(SelfDistillCheck, NamesTheLineWithoutAPrivilegedText) {
  EXPECT_THAT(report("bad.jsonl").problems, ElementsAre(HasSubstr("bad.jsonl:2: no key \"hint\"")));
  EXPECT_THAT(report("empty.jsonl").problems,
              ElementsAre(HasSubstr("empty.jsonl:1: \"hint\": the text is empty")));
  EXPECT_THAT(report("plain.txt").problems,
              ElementsAre(HasSubstr("plain.txt:1: a plain text has no \"hint\"")));
}

TEST_F(SelfDistillCheck, RefusesDataThatNamesNoPrivilegedText) {
  EXPECT_THAT(report("good.jsonl", {"data.privileged_key=\"\""}).problems,
              ElementsAre(HasSubstr("data.privileged_key must name it")));
}

TEST_F(SelfDistillCheck, RefusesPrivilegedPromptsThatDoNotFitTheContext) {
  EXPECT_THAT(report("good.jsonl", {"data.privileged_tokens=60"}).problems,
              ElementsAre(HasSubstr("prompts of 60 and responses of 16 tokens do not fit")));
}

TEST_F(SelfDistillCheck, NamesAPrivilegedPromptThatIsTooLong) {
  EXPECT_THAT(report("good.jsonl", {"data.privileged_tokens=1"}).problems,
              ElementsAre(HasSubstr("good.jsonl:1: the prompt with its privileged text has ")));
}

TEST_F(SelfDistillCheck, NeedsATemplateWithAPlaceForTheText) {
  expect_error([] { report("good.jsonl", {"data.privileged_template=\"{prompt}\""}); },
               "{privileged}", /*is_whole=*/false);
}

TEST_F(SelfDistillCheck, PutsBothTextsInTheirPlaces) {
  const auto tokenizer = envs::load_tokenizer(folder() + "/student");
  const auto ids = [&](const std::string& form) {
    envs::ExampleOptions options{.files = {folder() + "/good.jsonl"}};
    options.keys.privileged = "hint";
    options.privileged_template = form;
    return envs::Examples(options, tokenizer).at(0).privileged_prompt;
  };
  EXPECT_EQ(ids("{privileged}: {prompt}!"), tokenizer->encode("sat: the cat!", true));
  EXPECT_EQ(ids("{privileged}"), tokenizer->encode("sat", true));
}

}  // namespace
}  // namespace distill
