#include "distill/options.h"

#include <gmock/gmock.h>

#include "distill/yaml.h"
#include "tests/distill/expect_error.h"

namespace distill {
namespace {

Options read(const std::string& text) { return parse_yaml(text, "run.yaml"); }

TEST(Bind, SetsVariablesByTypeAndKeepsDefaults) {
  bool chi2 = false;
  int64_t steps = 0;
  double beta = 0, gamma = 0.99;
  std::string tail;
  std::vector<double> betas;
  std::vector<std::string> files;
  Ramp lambda;
  bind(read("chi2: true\nsteps: 1e6\nbeta: 1\ntail: 007\nbetas: [0.9, 1]\nfiles: a.txt\n"
            "lambda: {from: 0, to: 0.5}\n"),
       {{"chi2", &chi2},
        {"steps", &steps},
        {"beta", &beta},
        {"gamma", &gamma},
        {"tail", &tail},
        {"betas", &betas},
        {"files", &files},
        {"lambda", &lambda}});
  EXPECT_TRUE(chi2);
  EXPECT_EQ(steps, 1000000);
  EXPECT_EQ(beta, 1.0);
  EXPECT_EQ(gamma, 0.99);
  EXPECT_EQ(tail, "007");
  EXPECT_THAT(betas, testing::ElementsAre(0.9, 1.0));
  EXPECT_THAT(files, testing::ElementsAre("a.txt"));
  EXPECT_EQ(lambda.from, 0);
  EXPECT_EQ(lambda.to, 0.5);
}

TEST(Bind, NamesTheUnknownKeyItsPlaceAndTheNearest) {
  double lambda = 0, beta = 0;
  expect_error(
      [&] {
        bind(read("lambda: 1\nbta: 0.5\n"), {{"lambda", &lambda}, {"beta", &beta}});
      },
      "run.yaml:2:1: unknown key \"bta\"; did you mean \"beta\"? known: lambda, beta");
  expect_error(
      [&] {
        bind(read("colour: 1\n"), {{"lambda", &lambda}, {"beta", &beta}});
      },
      "run.yaml:1:1: unknown key \"colour\"; known: lambda, beta");
}

TEST(Bind, SaysWhatTypeWasExpectedAndWhatWasFound) {
  bool truth = false;
  int64_t integer = 0;
  double number = 0;
  std::string text;
  std::vector<double> numbers;
  Ramp ramp;
  Options map;
  const Bindings known = {{"truth", &truth}, {"integer", &integer}, {"number", &number},
                          {"text", &text},   {"numbers", &numbers}, {"ramp", &ramp},
                          {"map", &map}};
  const auto expect = [&](const std::string& yaml, const std::string& message) {
    expect_error([&] { bind(read(yaml), known); }, "run.yaml:1:" + message);
  };
  expect("truth: yes", "8: truth: expected true or false, found \"yes\"");
  expect("integer: 1.5", "10: integer: expected an integer, found 1.5");
  expect("number: \"1\"", "9: number: expected a number, found \"1\"");
  expect("number: nan", "9: number: expected a number, found \"nan\"");
  expect("number:", "1: number: expected a number, found nothing");
  expect("text: [a]", "7: text: expected text, found a list");
  expect("numbers: [1, high]", "10: numbers: expected a list of numbers, found a list");
  expect("ramp: {from: 1}",
         "7: ramp: expected a number or {from: number, to: number}, found a map");
  expect("map: 3", "6: map: expected a map (key: value), found 3");
}

TEST(Require, NamesTheRangeTheValueAndItsPlace) {
  const Options options = read("a: 0\nbeta: 1.5\n");
  EXPECT_NO_THROW(require(true, options, "0 <= beta <= 1"));
  expect_error([&] { require(false, options, "0 <= beta <= 1"); },
               "run.yaml:2:7: needs 0 <= beta <= 1, found beta: 1.5");
  expect_error([&] { require(false, options, "0 <= gamma <= 1"); },
               "run.yaml:1:1: needs 0 <= gamma <= 1");
}

TEST(RequireOneOf, NamesTheNearestValue) {
  expect_error(
      [&] {
        require_one_of("lamp", {"lump", "drop"}, read("tail: lamp"), "tail");
      },
      "run.yaml:1:7: tail: unknown value \"lamp\"; did you mean \"lump\"? known: lump, drop");
}

TEST(Yaml, SaysWhereItIsBroken) {
  expect_error([] { read("a: 1\nb: [1, 2\nc: 3"); }, "run.yaml:3:2: ", /*is_whole=*/false);
  expect_error([] { read("a: 1\nb: 2\na: 3"); }, "run.yaml:3:1: key \"a\" occurs twice");
  expect_error([] { read("just text"); }, "run.yaml:1:1: expected a map (key: value)");
  expect_error([] { read_yaml("/no/such.yaml"); }, "/no/such.yaml: cannot be opened");
  expect_error([] { read_yaml("/"); }, "/: is a folder, not a file");
}

TEST(Override, SetsAndMakesValuesOnTheWay) {
  Options options = read("train: {steps: 5}\n");
  apply_override(options, "train.steps=7");
  apply_override(options, "data.train.files=[a, b]");
  EXPECT_EQ(to_yaml(options), "train:\n  steps: 7\ndata:\n  train:\n    files: [a, b]\n");
}

TEST(Override, SaysThatItCameFromTheCommandLine) {
  Options options = read("train: {steps: 5}\n");
  expect_error([&] { apply_override(options, "steps"); },
               "command line: expected key.path=value, found \"steps\"");
  expect_error([&] { apply_override(options, "train.steps.more=1"); },
               "command line, train.steps.more=1: \"steps\" is 5, not a map");
  apply_override(options, "train.stepz=1");
  int64_t steps = 0;
  expect_error(
      [&] {
        bind(*options.find("train")->as<Options>(), {{"steps", &steps}});
      },
      "command line, train.stepz=1: unknown key \"stepz\"; did you mean \"steps\"? "
      "known: steps");
}

TEST(ToYaml, ReadsBackToTheSameValues) {
  const Options options{{"text", "a: b # c\n\"d\" \x01"},
                        {"word", "true"},
                        {"number_like", "12"},
                        {"path", "runs/a_b-1.txt"},
                        {"empty", ""},
                        {"whole", 3.0},
                        {"small", 1e-7},
                        {"third", 1.0 / 3},
                        {"count", int64_t{1} << 53},
                        {"infinite", std::numeric_limits<double>::infinity()},
                        {"nothing", Value()},
                        {"list", Value::List{1, "a b", Options{{"k", 0.5}}}},
                        {"maps", Value::List{Options{{"a", 1}, {"b", Options{{"c", 2}}}},
                                             Options{{"a", Value::List{Options{{"d", 3}}}}}}}};
  const std::string text = to_yaml(options);
  const Options again = parse_yaml(text, "again");
  EXPECT_EQ(to_yaml(again), text);
  EXPECT_EQ(*again.find("text")->as<std::string>(), "a: b # c\n\"d\" \x01");
  EXPECT_EQ(*again.find("word")->as<std::string>(), "true");
  EXPECT_EQ(*again.find("number_like")->as<std::string>(), "12");
  EXPECT_EQ(*again.find("whole")->as<double>(), 3.0);
  EXPECT_EQ(*again.find("third")->as<double>(), 1.0 / 3);
  EXPECT_TRUE(again.find("nothing")->is_nothing());
}

TEST(ToJson, KeepsOrderAndTypes) {
  EXPECT_EQ(to_json({{"b", Value::List{1, 2.5, true, "x"}}, {"a", Options{{"c", Value()}}}}),
            R"({"b":[1,2.5,true,"x"],"a":{"c":null}})");
}

TEST(Nearest, GivesNothingWhereNothingIsNear) {
  EXPECT_EQ(nearest("learning_rat", {"steps", "learning_rate"}), "learning_rate");
  EXPECT_EQ(nearest("x", {"y", "z"}), "");
}

}  // namespace
}  // namespace distill
