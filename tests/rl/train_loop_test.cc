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

}  // namespace
}  // namespace rl
