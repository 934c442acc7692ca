#include "envs/token/token_environment.h"

#include <gmock/gmock.h>

#include "envs/token/dataset_source.h"
#include "rl/source.h"
#include "rl/torch.h"

namespace envs {
namespace {

using rl::Tensor;
using testing::HasSubstr;

constexpr int64_t kEnd = 3;

Tensor ids(std::initializer_list<int64_t> values) {
  return torch::tensor(std::vector<int64_t>(values), torch::kInt64);
}

// Prompts of different lengths: episode e has 1 + e % 3 ids.
std::vector<int64_t> prompt_of(int64_t episode) {
  return std::vector<int64_t>(static_cast<size_t>(1 + episode % 3), 5 + episode % 2);
}

TokenEnvironment make_world(int64_t max_new_tokens = 4) {
  return TokenEnvironment(
      {.vocabulary_size = 8, .end_ids = {kEnd}, .max_new_tokens = max_new_tokens}, prompt_of);
}

TEST(TokenEnvironment, ShowsThePromptsFirst) {
  TokenEnvironment world = make_world();
  const rl::TimeStep first = world.reset(ids({0, 1, 2}));
  EXPECT_TRUE(first.length.equal(ids({1, 2, 3})));
  EXPECT_TRUE(
      first.observation.equal(torch::tensor({{5, 0, 0}, {6, 6, 0}, {5, 5, 5}}, torch::kInt64)));
  EXPECT_FALSE(first.last.any().item<bool>());
}

TEST(TokenEnvironment, AppendsBehindEachPrefix) {
  TokenEnvironment world = make_world();
  world.reset(ids({0, 1}));
  const rl::TimeStep next = world.step(ids({7, 1}));
  EXPECT_TRUE(next.observation.equal(torch::tensor({{5, 7, 0}, {6, 6, 1}}, torch::kInt64)));
  EXPECT_TRUE(next.length.equal(ids({2, 3})));
}

TEST(TokenEnvironment, EndsAtEosAndTruncatesAtTheLimit) {
  TokenEnvironment world = make_world(2);
  world.reset(ids({0, 1}));
  const rl::TimeStep one = world.step(ids({kEnd, 1}));
  EXPECT_TRUE(one.last.equal(torch::tensor({true, false})));
  EXPECT_TRUE(one.discount.equal(torch::tensor({0.0f, 1.0f})));
  const rl::TimeStep two = world.step(ids({1, 1}));
  EXPECT_TRUE(two.last.all().item<bool>());
  EXPECT_TRUE(two.discount.equal(torch::tensor({0.0f, 1.0f})));  // ended; only truncated
}

TEST(TokenEnvironment, RowsThatAreOverIgnoreTheirAction) {
  TokenEnvironment world = make_world();
  world.reset(ids({0, 1}));
  world.step(ids({kEnd, 1}));
  const rl::TimeStep next = world.step(ids({7, 2}));
  EXPECT_TRUE(next.length.equal(ids({2, 4})));
}

TEST(TokenEnvironment, RefusesATokenOutsideTheVocabulary) {
  TokenEnvironment world = make_world();
  world.reset(ids({4, 1}));
  try {
    world.step(ids({1, 8}));
    FAIL() << "no error";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), HasSubstr("episode 1: action 8 is not on offer"));
  }
}

TEST(TokenEnvironment, RefusesAnEmptyPrompt) {
  TokenEnvironment world({.vocabulary_size = 8, .end_ids = {}, .max_new_tokens = 1},
                         [](int64_t) { return std::vector<int64_t>{}; });
  EXPECT_THROW(world.reset(ids({0})), std::invalid_argument);
}

TEST(TokenEnvironment, StepBeforeResetIsAnError) {
  TokenEnvironment world = make_world();
  EXPECT_THROW(world.step(ids({0})), std::logic_error);
}

// Writes episode, step and then EOS: who stands where can be read off the text.
class Scribe : public rl::Actor {
 public:
  void begin(const rl::TimeStep& first) override { rows_ = first.size(); }
  rl::Choice act(const rl::TimeStep& now) override {
    EXPECT_EQ(now.size(), rows_);
    const Tensor done = now.step >= now.episode;
    return {torch::where(done, torch::full_like(now.step, kEnd), now.step % 3),
            -now.step.to(torch::kFloat32)};
  }
  void keep(const Tensor& rows) override { rows_ = rows.size(0); }

 private:
  int64_t rows_ = 0;
};

TEST(Play, KeepsEveryEpisodeWholeThoughOthersLeave) {
  TokenEnvironment world = make_world(30);
  Scribe scribe;
  const rl::Trajectory t = rl::play(world, scribe, ids({20, 0, 9, 40, 3}), /*own=*/true);
  t.validate();
  EXPECT_TRUE(t.step_counts().equal(ids({21, 1, 10, 30, 4})));
  EXPECT_TRUE(t.episode.equal(ids({20, 0, 9, 40, 3})));
  for (int64_t b = 0; b < t.size(); ++b) {
    const int64_t count = t.step_counts()[b].item<int64_t>();
    const bool truncated = count == 30;
    for (int64_t s = 0; s < count; ++s) {
      const bool closing = !truncated && s == count - 1;
      EXPECT_EQ(t.action[b][s].item<int64_t>(), closing ? kEnd : s % 3);
      EXPECT_EQ(t.behavior_log_prob[b][s].item<double>(), -static_cast<double>(s));
      EXPECT_EQ(t.discount[b][s].item<double>(), closing ? 0 : 1);
      // The token predicted at row start + s stands one further.
      const int64_t place = t.start[b].item<int64_t>() + s + 1;
      EXPECT_EQ(t.observation[b][place].item<int64_t>(), t.action[b][s].item<int64_t>());
    }
    // Only a truncated episode has a state after its last action.
    EXPECT_EQ(t.state_mask[b].sum().item<int64_t>(), count + (truncated ? 1 : 0));
  }
}

TEST(Play, DoesNotDependOnTheCompositionOfTheBatch) {
  TokenEnvironment world = make_world(30);
  Scribe scribe;
  const rl::Trajectory alone = rl::play(world, scribe, ids({9}), true);
  const rl::Trajectory among = rl::play(world, scribe, ids({2, 9, 25}), true);
  const rl::Trajectory picked = among.select(ids({1}));
  EXPECT_TRUE(alone.action.equal(picked.action));
  EXPECT_TRUE(alone.observation.equal(picked.observation));
  EXPECT_TRUE(alone.mask.equal(picked.mask));
}

// A response of one token: its logit row is the prompt's last.
TEST(TrajectoryOf, TrainsRowsFromTheLastOfThePromptToTheLastButOne) {
  const rl::Trajectory t =
      trajectory_of({{.prompt = {5, 6, 7}, .response = {kEnd}, .ended = true, .where = "a:1"},
                     {.prompt = {5}, .response = {1, 2}, .ended = false, .where = "a:2"}},
                    torch::arange(2));
  t.validate();
  EXPECT_TRUE(t.start.equal(ids({2, 0})));
  EXPECT_TRUE(t.step_counts().equal(ids({1, 2})));
  EXPECT_EQ(t.action[0][0].item<int64_t>(), kEnd);
  EXPECT_TRUE(t.discount.equal(torch::tensor({{0.0f, 0.0f, 0.0f}, {1.0f, 1.0f, 0.0f}})));
  EXPECT_TRUE(t.state_mask.sum(1).equal(ids({1, 3})));
}

TEST(TrajectoryOf, NamesTheExampleThatHasNothingToTeach) {
  const auto make = [](std::vector<int64_t> prompt, std::vector<int64_t> response) {
    return trajectory_of(
        {{.prompt = prompt, .response = response, .ended = true, .where = "x.jsonl:7"}},
        torch::arange(1));
  };
  for (const auto& [prompt, response] :
       {std::pair<std::vector<int64_t>, std::vector<int64_t>>{{}, {1}}, {{1}, {}}}) {
    try {
      make(prompt, response);
      FAIL() << "no error";
    } catch (const std::invalid_argument& error) {
      EXPECT_THAT(error.what(), HasSubstr("x.jsonl:7"));
    }
  }
}

}  // namespace
}  // namespace envs
