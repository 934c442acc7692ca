#include "rl/train_loop.h"

#include <gmock/gmock.h>

#include "rl/losses/td.h"
#include "rl/torch.h"
#include "tests/toy/readout_policy.h"

namespace rl {
namespace {

using toy::make_batch;
using toy::ReadoutPolicy;

struct FixedSource : Source {
  Trajectory collect(const Tensor& episodes, double) override {
    Trajectory t = make_batch(episodes.size(0), 3, 5, 1, false);
    t.episode = episodes;
    t.reward = torch::rand_like(t.reward);
    return t;
  }
};

// Has learned enough after every third update.
struct SoonEnough : Td {
  using Td::Td;
  bool enough(const Metrics& metrics) const override {
    EXPECT_TRUE(metrics.contains("td_error"));
    return ++asked % 3 == 0;
  }
  mutable int asked = 0;
};

Agent agent_with(ReplayOptions memory, std::unique_ptr<Loss> loss) {
  Agent agent{std::make_unique<FixedSource>(), ReplayBuffer(memory, 1), {}};
  std::vector<Objective> objectives;
  objectives.push_back({"td", 1.0, std::move(loss), {}});
  agent.learners.push_back(std::make_unique<Learner>(std::make_shared<ReadoutPolicy>(8, 5, 3),
                                                     std::move(objectives), LearnerOptions{}));
  return agent;
}

TEST(Train, GivesTheErrorsBackToTheMemory) {
  Agent agent = agent_with({.capacity = 40, .priorities = PriorityOptions{}},
                           std::make_unique<Td>(TdOptions{}));
  Progress progress;
  train(agent, {.steps = 5, .batch_size = 8}, progress,
        [](const Progress&, const Metrics&) { return true; });
  State state;
  agent.memory.save(state);
  const Tensor values = state.tensor("priorities.values");
  EXPECT_GT(values.std().item<double>(), 1e-3) << values;
}

TEST(Train, CollectsAnewWhenALossHasLearnedEnough) {
  Agent agent = agent_with({.epochs = 10}, std::make_unique<SoonEnough>(TdOptions{}));
  Progress progress;
  train(agent, {.steps = 9, .batch_size = 4}, progress,
        [](const Progress&, const Metrics&) { return true; });
  EXPECT_EQ(progress.next_episode, 3 * 4);
}

TEST(Train, SaysThatABudgetOfOneCollectionTeachesNothing) {
  Agent agent = agent_with({}, std::make_unique<Td>(TdOptions{}));
  Progress progress;
  EXPECT_THROW(train(agent, {.collect_budget = 4, .batch_size = 8}, progress,
                     [](const Progress&, const Metrics&) { return true; }),
               std::invalid_argument);
}

TEST(Train, RefusesAReplaySmallerThanABatchBeforeItCollects) {
  Agent agent = agent_with({.capacity = 4}, std::make_unique<Td>(TdOptions{}));
  Progress progress;
  EXPECT_THROW(train(agent, {.steps = 5, .batch_size = 8}, progress,
                     [](const Progress&, const Metrics&) { return true; }),
               std::invalid_argument);
  EXPECT_EQ(progress.next_episode, 0);
}

TEST(Train, LetsLearnersTakeTurns) {
  Agent agent = agent_with({.epochs = 1}, std::make_unique<Td>(TdOptions{}));
  agent.learners.push_back(
      std::move(agent_with({.epochs = 1}, std::make_unique<Td>(TdOptions{})).learners.front()));
  agent.alternate_every = 2;
  Progress progress;
  std::vector<int64_t> first, second;
  train(agent, {.steps = 6, .batch_size = 4}, progress, [&](const Progress&, const Metrics&) {
    first.push_back(agent.learners[0]->updates());
    second.push_back(agent.learners[1]->updates());
    return true;
  });
  EXPECT_EQ(first, (std::vector<int64_t>{1, 2, 2, 2, 3, 4}));
  EXPECT_EQ(second, (std::vector<int64_t>{0, 0, 1, 2, 2, 2}));
}

// Counts what it was shown.
struct Counter : Follower {
  void follow(const Trajectory& collected) override { rows += collected.size(); }
  void save(State& state) const override { state.put("rows", rows); }
  void load(const State& state) override { rows = state.integer("rows"); }
  int64_t rows = 0;
};

TEST(Followed, ShowsItsFollowerWhatIsCollectedAndSavesIt) {
  const auto counter = std::make_shared<Counter>(), other = std::make_shared<Counter>();
  Followed source(std::make_unique<FixedSource>(), counter);
  source.collect(torch::arange(3), 0);
  source.collect(torch::arange(4), 0);
  EXPECT_EQ(counter->rows, 7);
  State state;
  source.save(state);
  Followed(std::make_unique<FixedSource>(), other).load(state);
  EXPECT_EQ(other->rows, 7);
}

}  // namespace
}  // namespace rl
