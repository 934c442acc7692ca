#include "envs/graph_file.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace envs {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class GraphFile : public testing::Test {
 protected:
  ~GraphFile() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }

  void expect_refused(const std::string& name, const std::string& text,
                      const std::string& message) const {
    const std::string path = write(name, text);
    try {
      read_decision_process(path);
      ADD_FAILURE() << "no error; expected: " << message;
    } catch (const std::invalid_argument& error) {
      EXPECT_THAT(error.what(), HasSubstr(path));
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
  }

  std::string folder_ = testing::TempDir() + "/" + std::to_string(getpid()) + "_graph_file";
};

// here, toss: won 0.5 (pays 1), lost 0.5; here, buy: won, pays 0.4.
void expect_coin(const DecisionProcess& coin) {
  EXPECT_THAT(coin.actions, ElementsAre("buy", "toss"));
  EXPECT_EQ(coin.state_count(), 3);
  const auto offers = offers_of(coin);
  for (size_t s = 0; s < offers.size(); ++s) {
    const StateNode& state = coin.graph[s];
    EXPECT_EQ(state.terminal, state.name != "here");
    EXPECT_EQ(state.start, state.name == "here" ? 1 : 0);
    if (state.terminal) continue;
    ASSERT_EQ(offers[s].size(), 2u);
    ASSERT_EQ(offers[s][0].branches.size(), 1u);
    EXPECT_EQ(offers[s][0].branches[0].probability, 1);
    EXPECT_EQ(offers[s][0].branches[0].reward, .4);
    ASSERT_EQ(offers[s][1].branches.size(), 2u);
    for (const Offer::Branch& branch : offers[s][1].branches) {
      EXPECT_EQ(branch.probability, .5);
      EXPECT_EQ(branch.reward, coin.graph[static_cast<size_t>(branch.next)].name == "won" ? 1 : 0);
    }
  }
}

TEST_F(GraphFile, MayBeATable) {
  expect_coin(read_decision_process(write("coin.yaml", R"(
states:
  here: {start: 1}
  won: {terminal: true}
  lost: {terminal: true}
transitions:
  - {from: here, action: toss, to: won, probability: 0.5, reward: 1}
  - {from: here, action: toss, to: lost, probability: 0.5}
  - {from: here, action: buy, to: won, reward: 0.4}
)")));
}

TEST_F(GraphFile, MayBeGraphViz) {
  expect_coin(read_decision_process(write("coin.dot", R"(
digraph { rankdir=LR
  here [start=1]  won [terminal=true, shape=box]  lost [terminal=true]
  here -> won [action=toss, probability=0.5, reward=1, label="heads"]
  here -> lost [action=toss, probability=0.5]
  here -> won [action=buy, reward=0.4]
})")));
}

TEST_F(GraphFile, MayBeGraphMl) {
  expect_coin(read_decision_process(write("coin.graphml", R"(<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="n" for="node" attr.name="name" attr.type="string"/>
  <key id="s" for="node" attr.name="start" attr.type="double"/>
  <key id="t" for="node" attr.name="terminal" attr.type="boolean"/>
  <key id="a" for="edge" attr.name="action" attr.type="string"/>
  <key id="p" for="edge" attr.name="probability" attr.type="double"/>
  <key id="r" for="edge" attr.name="reward" attr.type="double"/>
  <graph edgedefault="directed">
    <node id="0"><data key="n">here</data><data key="s">1</data></node>
    <node id="1"><data key="n">won</data><data key="t">1</data></node>
    <node id="2"><data key="n">lost</data><data key="t">1</data></node>
    <edge source="0" target="1"><data key="a">toss</data><data key="p">0.5</data><data key="r">1</data></edge>
    <edge source="0" target="2"><data key="a">toss</data><data key="p">0.5</data></edge>
    <edge source="0" target="1"><data key="a">buy</data><data key="r">0.4</data></edge>
  </graph>
</graphml>)")));
}

TEST_F(GraphFile, KeepsTheOrderOfActionsThatAreListed) {
  const DecisionProcess process = read_decision_process(write("a.yaml", R"(
actions: [up, down]
states: {a: {start: 1}, b: {terminal: true}}
transitions:
  - {from: a, action: down, to: b}
)"));
  EXPECT_THAT(process.actions, ElementsAre("up", "down"));
}

TEST_F(GraphFile, NamesThePlaceOfWhatIsWrong) {
  const std::string states = "states: {a: {start: 1}, b: {terminal: true}}\n";
  const auto table = [&](const std::string& row, const std::string& message) {
    expect_refused("w.yaml", states + "transitions:\n  - " + row + "\n", message);
  };
  table("{from: a, action: go, to: b, probability: 0.9}",
        "w.yaml:3: state \"a\", action \"go\": the probabilities sum to 0.9, expected 1");
  table("{from: a, action: go, to: b, probability: -1}",
        "w.yaml:3: state \"a\", action \"go\": a "
        "probability is above 0");
  table("{from: a, action: go, to: b, reward: .nan}",
        "w.yaml:3: reward: expected a number, found \".nan\"");
  table("{from: a, action: go, to: b, reward: nan}",
        "w.yaml:3: state \"a\", action \"go\": a reward is a finite number, found nan");
  table("{from: a, action: go, to: b, rewrd: 1}",
        "w.yaml:3: unknown key \"rewrd\"; known: from, action, to, probability, reward");
  table("{from: a, action: go}", "w.yaml:3: needs \"to\"");
  table("{from: a, action: go, to: [b]}", "w.yaml:3: expected a word or a number");
  table("{from: a, action: go, to: bb}",
        "w.yaml:3: state \"bb\" offers no action and is not terminal");
  table("[a, go, b]", "w.yaml:3: expected a map");
  table("{from: a, action: go, to: b}\n  - {from: b, action: go, to: a}",
        "w.yaml:1: state \"b\" is terminal, but offers actions");
  expect_refused("w.yaml",
                 "actions: [go]\n" + states + "transitions:\n  - {from: a, action: og, to: b}\n",
                 "w.yaml:4: unknown action \"og\"; known: go");
  expect_refused("w.yaml", "states:\n  a: {start: 1}\n  a: {}\n",
                 "w.yaml:3: key \"a\" occurs twice");
  expect_refused("w.yaml",
                 "states: {a: {stat: 1}}\ntransitions:\n  - {from: a, action: go, to: a}\n",
                 "w.yaml:1: unknown key \"stat\"; known: name, terminal, start");
  expect_refused("w.yaml",
                 "states: {a: {terminal: 7}}\ntransitions:\n  - {from: a, action: go, to: a}\n",
                 "w.yaml:1: terminal: expected true or false, found \"7\"");
  expect_refused("w.yaml", "transitions:\n  - {from: a, action: go, to: a}\n",
                 "no episode begins anywhere: a state needs a start");
  expect_refused("w.yaml", "edges: []\n", "w.yaml:1: unknown key \"edges\"");
  expect_refused("w.yaml", "transitions: [{\n", "w.yaml:2: ");
  expect_refused("w.yaml", states, "needs transitions");
  expect_refused("w.yaml", "", "cannot be opened, or is empty");
  expect_refused("w.txt", "a", "expected a file that ends in .yaml, .dot or .graphml");
}

TEST_F(GraphFile, NamesTheEdgeOfWhatIsWrongInADrawing) {
  const auto drawing = [&](const std::string& edge, const std::string& message) {
    expect_refused("w.dot", "digraph { a [start=1]; b [terminal=1]; a -> b [" + edge + "] }",
                   message);
  };
  drawing("action=go, probability=0.5",
          "edge a -> b: state \"a\", action \"go\": the probabilities sum to 0.5");
  drawing("action=go, probabilty=1", "edge a -> b: unknown key \"probabilty\"");
  drawing("reward=1", "edge a -> b: needs \"action\"");
  drawing("action=go, reward=much", "edge a -> b: reward: expected a number, found \"much\"");
  expect_refused("w.dot", "digraph { a -> ", "w.dot: ");
  expect_refused("w.dot", "graph { a -- b [action=go] }", "w.dot: ");
  expect_refused("w.graphml", "<graphml><graph>", "w.graphml: ");
  expect_refused("w.graphml", "<graphml></graphml>", "w.graphml: ");
}

TEST(Worlds, ThatComeWithDecantCanBeRead) {
  int count = 0;
  for (const auto& file : std::filesystem::directory_iterator(DECANT_WORLDS)) {
    EXPECT_NO_THROW(read_decision_process(file.path()));
    ++count;
  }
  EXPECT_GE(count, 4);
}

}  // namespace
}  // namespace envs
