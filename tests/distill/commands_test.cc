#include "distill/commands/commands.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agents/inference.h"
#include "agents/weights.h"
#include "envs/token/tokenizer.h"
#include "rl/safetensors.h"
#include "rl/torch.h"
#include "tests/distill/own_temp.h"
#include "tests/distill/tiny_model.h"

namespace distill {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

struct Said {
  int code;
  std::string out, error;
};

Said decant(const Words& words) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int code = main_command(words);
  return {code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

void expect_refused(const Words& words, int code, const std::string& message) {
  const Said said = decant(words);
  EXPECT_EQ(said.code, code) << said.error;
  EXPECT_THAT(said.error, HasSubstr(message));
  EXPECT_EQ(std::count(said.error.begin(), said.error.end(), '\n'), 1) << said.error;
}

std::string fixture(const std::string& name) {
  const char* elsewhere = std::getenv("DECANT_FIXTURES");
  return std::string(elsewhere != nullptr ? elsewhere : DECANT_TEST_FIXTURES) + "/" + name;
}

std::vector<json> read_lines(const std::string& path) {
  std::ifstream file(path);
  std::vector<json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(json::parse(line));
  return lines;
}

class CommandsTest : public testing::Test {
 protected:
  CommandsTest() { fs::create_directories(folder_); }
  ~CommandsTest() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }
  const std::string& model() {
    static const std::string folder = [] {
      const std::string made = own_temp("decant_commands_model");
      make_tiny_model(made);
      return made;
    }();
    return folder;
  }

  std::string folder_ = own_temp("decant_commands_test");
};

TEST_F(CommandsTest, SayWhatTheyDo) {
  EXPECT_THAT(decant({"--help"}).out,
              AllOf(HasSubstr("usage: decant COMMAND"), HasSubstr("logits")));
  for (const CommandEntry& command : commands()) {
    const Said said = decant({std::string(command.name), "--help"});
    EXPECT_EQ(said.code, 0) << command.name;
    EXPECT_THAT(said.out, HasSubstr("usage: decant " + std::string(command.name)));
    EXPECT_EQ(said.error, "");
  }
}

TEST_F(CommandsTest, RefuseWhatTheyDoNotKnow) {
  expect_refused({}, 2, "decant: no command; see decant --help");
  expect_refused({"rnu"}, 2, "decant: unknown command \"rnu\"; did you mean \"run\"?");
  expect_refused({"score", "--modle", "x"}, 2,
                 "decant score: unrecognised option '--modle'; see decant score --help");
  expect_refused({"score", "--model", "x"}, 2, "the option '--input' is required but missing");
  expect_refused({"logits", "--model", "x", "--input", "y", "--output", "z", "--greedy", "many"}, 2,
                 "the argument ('many') for option '--greedy' is invalid");
  expect_refused({"run", "x.yaml", "--resume", "--overwrite"}, 2, "either --resume or --overwrite");
  expect_refused({"tokenizer", "make"}, 2, "expected train");
  expect_refused({"tokenizer", "train"}, 2, "needs --input and --output");
}

TEST_F(CommandsTest, ListMethodsAndTheirOptions) {
  EXPECT_THAT(decant({"methods"}).out,
              AllOf(HasSubstr("bellman"), HasSubstr("Agarwal et al. 2024"), HasSubstr("\nsqil ")));
  EXPECT_THAT(decant({"methods", "gkd"}).out,
              AllOf(HasSubstr("  name: gkd\n"), HasSubstr("  lambda: 0.5\n")));
  EXPECT_THAT(decant({"methods", "gkd", "--expand"}).out, HasSubstr("source:\n    name: mix\n"));
  expect_refused({"methods", "gdk"}, 2, "unknown method \"gdk\"; did you mean \"gkd\"?");
}

TEST_F(CommandsTest, TokenizeAsTheReferenceDoes) {
  for (const char* name : {"gpt2-bbpe", "llama2-bpe"}) {
    const std::string tokenizer = fixture("tokenizers/") + name;
    const std::vector<json> expected = read_lines(tokenizer + "/encode.jsonl");
    ASSERT_EQ(decant({"tokenize", "--model", tokenizer, "--input", tokenizer + "/encode.jsonl",
                      "--output", path("ids.jsonl")})
                  .error,
              "");
    ASSERT_EQ(decant({"tokenize", "--model", tokenizer, "--input", tokenizer + "/encode.jsonl",
                      "--output", path("plain.jsonl"), "--no-special"})
                  .error,
              "");
    const auto with = read_lines(path("ids.jsonl")), without = read_lines(path("plain.jsonl"));
    ASSERT_EQ(with.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(with[i]["ids"], expected[i]["ids"]);
      EXPECT_EQ(with[i]["decoded"], expected[i]["decoded"]);
      EXPECT_EQ(without[i]["ids"], expected[i]["ids_no_special"]);
      EXPECT_EQ(without[i]["decoded"], expected[i]["decoded_skip_special"]);
    }
  }
}

TEST_F(CommandsTest, NameFileAndLineOfWhatTheyCannotRead) {
  const auto tokenize = [&](const std::string& text, const std::string& message) {
    const std::string input = write("in.jsonl", text);
    expect_refused({"tokenize", "--model", fixture("tokenizers/gpt2-bbpe"), "--input", input,
                    "--output", path("out.jsonl")},
                   1, message);
    EXPECT_FALSE(fs::exists(path("out.jsonl")));
    EXPECT_FALSE(fs::exists(path("out.jsonl.partial")));
  };
  tokenize("{\"text\": \"a\"}\n\n{\"text\": \n", path("in.jsonl") + ":3: ");
  tokenize("[1]\n", ":1: is no JSON object");
  tokenize("{\"txt\": \"a\"}\n", ":1: needs \"text\", a string");
  tokenize("{\"text\": 7}\n", ":1: needs \"text\", a string");
  tokenize("{\"text\": \"\xff\"}\n", ":1: ");
  expect_refused({"tokenize", "--model", fixture("tokenizers/gpt2-bbpe"), "--input", "/no/such",
                  "--output", path("out.jsonl")},
                 1, "/no/such: cannot be opened");
  expect_refused({"tokenize", "--model", fixture("tokenizers/gpt2-bbpe"), "--input",
                  write("in.jsonl", ""), "--output", "/no/such/out"},
                 1, "/no/such/out: cannot be written: No such file or directory");
}

TEST_F(CommandsTest, WriteTheLogitsOfAModel) {
  const std::string folder = fixture("hf-parity/gpt2");
  const Said said =
      decant({"logits", "--model", folder, "--input", folder + "/expected.safetensors", "--output",
              path("out.safetensors"), "--greedy", "12"});
  ASSERT_EQ(said.error, "");
  const rl::SafetensorsFile expected(folder + "/expected.safetensors"),
      found(path("out.safetensors"));
  const torch::Tensor mask = expected.tensor("attention_mask").unsqueeze(-1);
  const torch::Tensor difference = (found.tensor("logits") - expected.tensor("logits")) * mask;
  EXPECT_LT(difference.abs().max().item<float>(), 2e-4);
  EXPECT_TRUE(found.tensor("greedy").equal(expected.tensor("greedy")));
}

TEST_F(CommandsTest, RefuseIdsThatAreNone) {
  rl::write_safetensors(path("in.safetensors"), {{"input_ids", torch::zeros({2, 3})}});
  expect_refused({"logits", "--model", fixture("hf-parity/gpt2"), "--input", path("in.safetensors"),
                  "--output", path("out.safetensors")},
                 1, "input_ids: expected int64 [B, T], found Float of 2 dimensions");
  rl::write_safetensors(path("in.safetensors"),
                        {{"input_ids", torch::full({1, 3}, 1 << 20, torch::kInt64)}});
  expect_refused({"logits", "--model", fixture("hf-parity/gpt2"), "--input", path("in.safetensors"),
                  "--output", path("out.safetensors")},
                 1, "1048576");
}

TEST_F(CommandsTest, ScoreTextsByTheSumOverPredictedTokens) {
  const std::vector<std::string> texts = {"the cat sat", "it", "", "the dog ran after the mat 12"};
  std::string input;
  for (const std::string& text : texts) input += json{{"text", text}}.dump() + "\n";
  ASSERT_EQ(decant({"score", "--model", model(), "--input", write("in.jsonl", input), "--output",
                    path("out.jsonl")})
                .error,
            "");
  const std::vector<json> lines = read_lines(path("out.jsonl"));
  ASSERT_EQ(lines.size(), texts.size());
  const auto tokenizer = envs::load_tokenizer(model());
  agents::Decoder decoder = agents::load_decoder(model());
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<int64_t> ids = tokenizer->encode(texts[i], true);
    EXPECT_EQ(lines[i]["bytes"], texts[i].size());
    EXPECT_EQ(lines[i]["tokens"], std::max<size_t>(ids.size(), 1) - 1);
    double nll = 0;
    if (ids.size() > 1) {
      const torch::Tensor row = torch::tensor(ids).unsqueeze(0);
      const torch::Tensor log_probs =
          agents::logits(decoder, row, torch::ones_like(row))[0].log_softmax(-1);
      for (size_t t = 1; t < ids.size(); ++t) nll -= log_probs[t - 1][ids[t]].item<double>();
    }
    EXPECT_NEAR(lines[i]["nll"].get<double>(), nll, 1e-4);
  }
}

TEST_F(CommandsTest, RefuseTextThatDoesNotFit) {
  const std::string text(2000, 'x');
  expect_refused({"score", "--model", model(), "--input",
                  write("in.jsonl", "{\"text\": \"a\"}\n" + json{{"text", text}}.dump() + "\n"),
                  "--output", path("out.jsonl")},
                 1, "in.jsonl:2: ");
  expect_refused({"generate", "--model", model(), "--prompt", "the cat", "--max-new-tokens", "100"},
                 1, "100 new ones do not fit the context of 64");
}

TEST_F(CommandsTest, ContinueAPromptGreedily) {
  const auto tokenizer = envs::load_tokenizer(model());
  agents::Decoder decoder = agents::load_decoder(model());
  const torch::Tensor row = torch::tensor(tokenizer->encode("the cat", true)).unsqueeze(0);
  const torch::Tensor greedy = agents::greedy(decoder, row, torch::ones_like(row), 8);
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < 8; ++i) {
    ids.push_back(greedy[0][i].item<int64_t>());
    if (ids.back() == tokenizer->eos_id()) break;
  }
  const Said said = decant(
      {"generate", "--model", model(), "--prompt", "the cat", "--greedy", "--max-new-tokens", "8"});
  EXPECT_EQ(said.error, "");
  EXPECT_EQ(said.out, tokenizer->decode(ids, true) + "\n");
}

TEST_F(CommandsTest, DrawTheSameWhateverTheBatch) {
  std::string input;
  for (int i = 0; i < 7; ++i)
    input += json{{"prompt", "the cat " + std::to_string(i)}}.dump() + "\n";
  const auto generate = [&](const std::string& seed, const std::string& batch) {
    const Said said = decant({"generate", "--model", model(), "--input", write("in.jsonl", input),
                              "--output", path("out.jsonl"), "--seed", seed, "--batch-size", batch,
                              "--max-new-tokens", "10"});
    EXPECT_EQ(said.error, "");
    return read_lines(path("out.jsonl"));
  };
  const std::vector<json> one = generate("1", "1");
  ASSERT_EQ(one.size(), 7u);
  EXPECT_EQ(one[3]["prompt"], "the cat 3");
  EXPECT_LE(one[3]["tokens"], 10);
  EXPECT_EQ(one, generate("1", "3"));
  EXPECT_NE(one, generate("2", "3"));
}

TEST_F(CommandsTest, RefuseHowNothingCanBeDrawn) {
  const auto refused = [&](const Words& extra, const std::string& message) {
    Words words = {"generate", "--model", model()};
    words.insert(words.end(), extra.begin(), extra.end());
    expect_refused(words, 2, message);
  };
  refused({}, "decant generate: needs either --prompt or --input");
  refused({"--prompt", "a", "--input", "b"}, "needs either --prompt or --input");
  refused({"--input", "b"}, "--input and --output go together");
  refused({"--prompt", "a", "--top-p", "1.5"}, "top_p");
  refused({"--prompt", "a", "--temperature", "-1"}, "temperature");
  refused({"--prompt", "a", "--max-new-tokens", "0"}, "needs max-new-tokens >= 1");
  refused({"--prompt", "a", "--device", "gpu"}, "--device: expected cpu, cuda or cuda:N");
  refused({"--prompt", "a", "--compute", "int8"}, "--compute: expected float32 or bfloat16");
}

TEST_F(CommandsTest, TrainATokenizerThatTheyRead) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "one two three " + std::to_string(i) + "\n";
  const Said said = decant({"tokenizer", "train", "--input", write("text.txt", text), "--output",
                            path("words"), "--vocabulary-size", "280"});
  EXPECT_EQ(said.error, "");
  EXPECT_THAT(said.out, HasSubstr("tokens\n"));
  EXPECT_LE(envs::load_tokenizer(path("words"))->size(), 280);
}

// V(town) = 0.9^2 * 2 by the detour; every state on the way is visited once.
TEST_F(CommandsTest, SolveAWorld) {
  const std::string world = std::string(DECANT_WORLDS) + "/deterministic.yaml";
  EXPECT_EQ(decant({"solve", world, "--discount", "0.9", "--temperature", "1e-9"}).out,
            "state         V  best action    soft V  occupancy\n"
            "town   1.620000  detour       1.620000   1.000000\n"
            "hill   1.800000  detour       1.800000   0.900000\n"
            "lake   2.000000  straight     2.000000   0.810000\n"
            "home   0.000000  -            0.000000   0.729000\n");
  EXPECT_THAT(decant({"solve", world, "--discount", "0.5"}).out,
              HasSubstr("town   1.000000  straight"));
}

// A toss is worth 0.5, buying 0.4: the soft policy finds the toss likelier.
TEST_F(CommandsTest, SolveAWorldOfFewerActions) {
  const std::string world = std::string(DECANT_WORLDS) + "/coin.dot";
  EXPECT_THAT(decant({"solve", world}).out, HasSubstr("here   0.500000  toss"));
  const Said few = decant({"solve", world, "--top-k", "1"});
  EXPECT_EQ(few.error, "");
  EXPECT_THAT(few.out, HasSubstr("here   0.500000  toss         0.500000   1.000000\n"));
}

TEST_F(CommandsTest, RefuseWorldsWithoutSense) {
  const std::string world = std::string(DECANT_WORLDS) + "/deterministic.yaml";
  expect_refused({"solve"}, 2, "decant solve: the option '--file' is required");
  expect_refused({"solve", "/no/such.yaml"}, 2, "/no/such.yaml: cannot be opened");
  expect_refused({"solve", world, "--discount", "1"}, 2,
                 world +
                     ": with discount 1 every episode must end, but one may go on for ever: "
                     "town -> hill -> lake -> town");
  expect_refused({"solve", world, "--discount", "1.5"}, 2, "needs 0 <= discount <= 1, found 1.5");
  expect_refused({"solve", world, "--temperature", "0"}, 2, "needs temperature > 0");
  expect_refused({"solve", world, "--top-k", "-1"}, 2, "needs top-k >= 0");
  const std::string leaky = write("leaky.yaml",
                                  "states: {a: {start: 1}, b: {terminal: true}}\ntransitions:\n"
                                  "  - {from: a, action: go, to: b, probability: 0.9}\n");
  expect_refused(
      {"solve", leaky}, 2,
      leaky + ":3: state \"a\", action \"go\": the probabilities sum to 0.9, expected 1");
}

TEST_F(CommandsTest, RefuseAWrongRunFile) {
  expect_refused({"run", "/no/such.yaml"}, 2, "/no/such.yaml: cannot be opened");
  const std::string file = write("run.yaml", "seed: 1\nstudnt: {path: a}\n");
  for (const char* command : {"run", "check"}) {
    expect_refused({command, file}, 2,
                   file +
                       ":2:1: unknown key \"studnt\"; did you mean "
                       "\"student\"?");
  }
}

}  // namespace
}  // namespace distill
