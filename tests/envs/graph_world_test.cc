#include "envs/graph_world.h"

#include <gmock/gmock.h>

#include "envs/classic/grid.h"
#include "envs/graph_file.h"
#include "envs/graph_solver.h"
#include "rl/torch.h"

namespace envs {
namespace {

using rl::Tensor;
using rl::TimeStep;

DecisionProcess slippery() {
  return read_decision_process(std::string(DECANT_WORLDS) + "/slippery.yaml");
}

TEST(GraphWorld, OffersWhatEachStateOffers) {
  GraphWorld world(slippery(), {});
  EXPECT_EQ(world.spec().action_count, 3);
  EXPECT_EQ(world.spec().max_actions, 3);
  TimeStep now = world.reset(torch::arange(200));
  for (int64_t row = 0; row < 200; ++row) {
    EXPECT_TRUE(now.actions.ids[row].equal(torch::tensor({0, 1, 2}))) << "hut and bridge offer all";
  }
  now = world.step(torch::zeros({200}, torch::kInt64));
  const Tensor on_ledge = now.observation.select(1, 2).eq(1).nonzero().squeeze(1);
  ASSERT_GT(on_ledge.size(0), 0);
  const int64_t row = on_ledge[0].item<int64_t>();
  EXPECT_TRUE(now.actions.ids[row].equal(torch::tensor({0, 1, -1})));
  EXPECT_TRUE(now.actions.prior_log_probs[row].exp().allclose(torch::tensor({.5F, .5F, 0.F})));
  EXPECT_THROW(world.step(torch::full({200}, 2, torch::kInt64)), std::invalid_argument);
}

TEST(GraphWorld, OffersTheFullSetWhereAllStatesDo) {
  GraphWorld world(grid({}), {});
  const TimeStep now = world.reset(torch::arange(2));
  EXPECT_TRUE(now.actions.is_full());
  EXPECT_TRUE(now.observation[0].equal(torch::eye(16)[0]));
}

// 4,000 draws: each share is within 4 standard errors, at most 4 * sqrt(.25 / 4000).
TEST(GraphWorld, DrawsStartsAndOutcomesByTheirProbability) {
  const int64_t rows = 4000;
  GraphWorld world(slippery(), {.seed = 3});
  const TimeStep first = world.reset(torch::arange(rows));
  const Tensor begins = first.observation.mean(0);
  EXPECT_NEAR(begins[0].item<double>(), .8, .032);
  EXPECT_NEAR(begins[1].item<double>(), .2, .032);
  const Tensor in_hut = first.observation.select(1, 0).eq(1);
  const TimeStep next = world.step(torch::ones({rows}, torch::kInt64));
  const Tensor after = next.observation.masked_select(in_hut.unsqueeze(1)).view({-1, 5}).mean(0);
  EXPECT_TRUE(after.allclose(torch::tensor({0.F, .7F, .2F, 0.F, .1F}), 0, .032));
  const Tensor fell = next.observation.select(1, 4).eq(1);
  EXPECT_TRUE(next.reward.masked_select(fell).eq(-1).all().item<bool>());
  EXPECT_TRUE(next.discount.masked_select(fell).eq(0).all().item<bool>());
}

// Returns of 20,000 episodes against the exact value, within 4 standard errors.
TEST(GraphWorld, PaysWhatItsSolverSays) {
  const int64_t rows = 20000;
  const double g = .9;
  const DecisionProcess process = slippery();
  BySlot uniform;
  for (const auto& offers : offers_of(process)) {
    uniform.emplace_back(offers.size(), 1 / static_cast<double>(offers.size()));
  }
  const Solution exact = evaluate(process, uniform, g);
  const double expected = .8 * exact.value[0] + .2 * exact.value[1];
  GraphWorld world(process, {.max_episode_steps = 200, .threads = 2});
  TimeStep now = world.reset(torch::arange(rows));
  Tensor returns = torch::zeros({rows}, torch::kFloat64);
  torch::manual_seed(1);
  for (int64_t step = 0; step < 150; ++step) {
    const Tensor open = now.actions.prior_log_probs.exp();
    now = world.step(now.actions.ids.gather(1, open.multinomial(1)).squeeze(1));
    returns += std::pow(g, step) * now.reward;
  }
  const double error = returns.std().item<double>() / std::sqrt(static_cast<double>(rows));
  EXPECT_NEAR(returns.mean().item<double>(), expected, 4 * error);
}

TEST(Grid, MovesAsTheFrozenLakeDoes) {
  GraphWorld world(grid({.slippery = false, .step_reward = -.5}), {});
  TimeStep now = world.reset(torch::arange(1));
  // Left off the map, then down, down, right, down, right, right: to the goal.
  const std::vector<int64_t> places = {0, 4, 8, 9, 13, 14, 15};
  const std::vector<int64_t> moves = {0, 1, 1, 2, 1, 2, 2};
  for (size_t i = 0; i < moves.size(); ++i) {
    now = world.step(torch::tensor({moves[i]}));
    EXPECT_EQ(now.observation[0].argmax().item<int64_t>(), places[i]);
    EXPECT_EQ(now.reward.item<float>(), i + 1 < moves.size() ? -.5F : .5F);
  }
  EXPECT_EQ(now.discount.item<float>(), 0);
}

TEST(Grid, SlipsToEitherSideButNeverBack) {
  const DecisionProcess lake = grid({.map = {"FFF", "FSF", "FFG"}});
  std::vector<double> to(9, 0);
  const Offer right = offers_of(lake)[4][2];
  for (const Offer::Branch& branch : right.branches) {
    to[static_cast<size_t>(branch.next)] += branch.probability;
  }
  const double third = 1. / 3;
  EXPECT_THAT(to, testing::ElementsAre(0, third, 0, 0, 0, third, 0, third, 0));
}

TEST(Grid, RefusesMapsWithoutSense) {
  const auto refused = [](const std::vector<std::string>& map, const std::string& message) {
    try {
      grid({.map = map});
      ADD_FAILURE() << "no error; expected: " << message;
    } catch (const std::invalid_argument& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(message));
    }
  };
  refused({}, "is empty");
  refused({"SFG", "FF"}, "row 1 of a grid: expected 3 cells, found 2");
  refused({"SFG", "FXF"}, "cell (row 1, column 1) of a grid: expected S, F, H or G, found \"X\"");
  refused({"FFG"}, "a state needs a start");
  refused({"SFF"}, "a grid needs a goal");
  refused({"SHG"}, "the goal at row 0, column 2 of a grid cannot be reached");
}

}  // namespace
}  // namespace envs
