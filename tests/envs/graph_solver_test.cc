#include "envs/graph_solver.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "envs/classic/chain.h"
#include "envs/classic/grid.h"

namespace envs {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pointwise;

struct Row {
  int64_t from, action, to;
  double probability = 1, reward = 0;
};

// States s0, s1, ...; those without a row are terminal; episodes begin in the first.
DecisionProcess make(const std::vector<Row>& rows) {
  DecisionProcess process;
  int64_t states = 0, actions = 0;
  for (const Row& row : rows) {
    states = std::max({states, row.from + 1, row.to + 1});
    actions = std::max(actions, row.action + 1);
  }
  for (int64_t s = 0; s < states; ++s) {
    bool terminal = true;
    for (const Row& row : rows) terminal = terminal && row.from != s;
    boost::add_vertex(StateNode{"s" + std::to_string(s), terminal, s == 0 ? 1. : 0., ""},
                      process.graph);
  }
  for (int64_t a = 0; a < actions; ++a) process.actions.push_back("a" + std::to_string(a));
  for (const Row& row : rows) {
    boost::add_edge(static_cast<size_t>(row.from), static_cast<size_t>(row.to),
                    OutcomeEdge{row.action, row.probability, row.reward, ""}, process.graph);
  }
  return process;
}

// Action 0 in s0 pays 1 and ends with probability 1/4, else repeats; action 1 ends and pays 3.
DecisionProcess loop() { return make({{0, 0, 1, .25, 1}, {0, 0, 0, .75, 1}, {0, 1, 1, 1, 3}}); }

template <typename Action>
void expect_refused(Action action, const std::string& message) {
  try {
    action();
    ADD_FAILURE() << "no error; expected: " << message;
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), HasSubstr(message));
  }
}

// V = 1 + g 3/4 V while it repeats: 4 without discount, 1 / (1 - 0.3) with 0.4.
TEST(GraphSolver, MatchesNumbersWorkedOutByHand) {
  EXPECT_NEAR(evaluate(loop(), {{1, 0}, {}}, 1).value[0], 4, 1e-11);
  EXPECT_NEAR(evaluate(loop(), {{1, 0}, {}}, .4).value[0], 1 / .7, 1e-12);
  // Half and half: V = (1 + 3/4 V) / 2 + 3 / 2.
  EXPECT_NEAR(evaluate(loop(), {{.5, .5}, {}}, 1).value[0], 3.2, 1e-11);
  const Solution best = solve(loop(), 1), hasty = solve(loop(), .4);
  EXPECT_NEAR(best.value[0], 4, 1e-11);
  EXPECT_THAT(best.policy[0], ElementsAre(1, 0));
  EXPECT_THAT(best.q[0], ElementsAre(DoubleNear(4, 1e-11), DoubleNear(3, 1e-11)));
  EXPECT_THAT(hasty.q[0], ElementsAre(DoubleNear(1 + .3 * 3, 1e-12), DoubleNear(3, 1e-12)));
  EXPECT_THAT(hasty.policy[0], ElementsAre(0, 1));
  EXPECT_TRUE(best.policy[1].empty());
}

// One step: V = e log(exp(q0 / e) + exp(q1 / e)).
TEST(SoftSolver, MatchesNumbersWorkedOutByHand) {
  const DecisionProcess step = make({{0, 0, 1, 1, 1}, {0, 1, 1, 1, 2}});
  const Solution soft = solve_soft(step, .9, .5);
  EXPECT_NEAR(soft.value[0], .5 * std::log(std::exp(2) + std::exp(4)), 1e-12);
  EXPECT_NEAR(soft.policy[0][1], 1 / (1 + std::exp(-2)), 1e-12);
}

// The soft value is the return and the entropy of its own policy, all paid on the way.
TEST(SoftSolver, AgreesWithTheValueOfItsPolicy) {
  const DecisionProcess lake = grid({.step_reward = -.01});
  const double e = .05, g = .97;
  const Solution soft = solve_soft(lake, g, e);
  const Solution plain = evaluate(lake, soft.policy, g);
  const std::vector<double> visits = occupancy(lake, soft.policy, g);
  double bonus = 0;
  for (size_t s = 0; s < visits.size(); ++s) {
    for (const double p : soft.policy[s]) bonus -= e * visits[s] * p * std::log(p);
  }
  EXPECT_NEAR(soft.value[0], plain.value[0] + bonus, 1e-11);
  EXPECT_NEAR(soft.value[0], evaluate_soft(lake, soft.policy, g, e).value[0], 1e-11);
}

TEST(SoftSolver, ApproachesTheOptimumAsItCools) {
  const DecisionProcess lake = grid({});
  const Solution best = solve(lake, .99);
  EXPECT_THAT(solve_soft(lake, .99, 1e-7).value, Pointwise(DoubleNear(1e-4), best.value));
}

TEST(GraphSolver, AgreesWithTheChainsClosedForm) {
  for (const double small : {0.0, .05, .2}) {
    std::vector<Row> rows;
    for (int64_t s = 0; s < 4; ++s) {
      rows.push_back({s, 0, std::max<int64_t>(s - 1, 0), 1, s == 0 ? small : 0});
      rows.push_back({s, 1, s + 1, 1, s == 3 ? 1. : 0.});
    }
    const Chain chain({.length = 5, .small_reward = small});
    const Solution best = solve(make(rows), .9);
    for (int64_t s = 0; s < 4; ++s) {
      EXPECT_NEAR(best.value[static_cast<size_t>(s)], chain.optimal_value(s, .9), 1e-12);
      for (const int64_t a : {0, 1}) {
        EXPECT_NEAR(best.q[static_cast<size_t>(s)][static_cast<size_t>(a)],
                    chain.optimal_q(s, a, .9), 1e-12);
      }
    }
  }
}

// The chance to reach the goal of the 4 x 4 lake, as it is usually given.
TEST(GraphSolver, KnowsTheFrozenLake) {
  EXPECT_NEAR(solve(grid({}), 1 - 1e-6).value[0], 14. / 17, 1e-4);
  EXPECT_NEAR(solve(grid({}), .99).value[0], .542026, 1e-6);
  EXPECT_NEAR(solve(grid({.slippery = false}), .9).value[0], std::pow(.9, 5), 1e-12);
}

TEST(GraphSolver, CountsDiscountedVisits) {
  // Stays with probability 3/4: 1 / (1 - g 3/4) visits.
  EXPECT_THAT(occupancy(loop(), {{1, 0}, {}}, 1),
              ElementsAre(DoubleNear(4, 1e-11), DoubleNear(1, 1e-11)));
  EXPECT_THAT(occupancy(loop(), {{1, 0}, {}}, .4),
              ElementsAre(DoubleNear(1 / .7, 1e-11), DoubleNear(.1 / .7, 1e-11)));
  const DecisionProcess forever = make({{0, 0, 1}, {1, 0, 0}});
  EXPECT_THAT(occupancy(forever, {{1}, {1}}, .9),
              ElementsAre(DoubleNear(1 / .19, 1e-9), DoubleNear(.9 / .19, 1e-9)));
}

// The occupancy pays what the value says: V(start) = sum_s d(s) r(s).
TEST(GraphSolver, PaysByOccupancyWhatItIsWorth) {
  const DecisionProcess lake = grid({});
  const Solution best = solve(lake, .95);
  const std::vector<double> visits = occupancy(lake, best.policy, .95);
  // The goal is the last state, and pays where it is entered: one step before it is counted.
  EXPECT_NEAR(visits.back() / .95, best.value[0], 1e-12);
}

TEST(Reduced, IsWorthNoMoreThanTheWhole) {
  const DecisionProcess lake = grid({});
  const Solution whole = solve(lake, .95), soft = solve_soft(lake, .95, .02);
  double before = 0;
  for (const int64_t k : {1, 2, 3, 4}) {
    const DecisionProcess part = likeliest_actions(lake, soft.policy, k);
    EXPECT_EQ(offers_of(part)[0].size(), static_cast<size_t>(k));
    const double value = solve(part, .95).value[0];
    EXPECT_GE(value, before - 1e-12);
    before = value;
  }
  EXPECT_NEAR(before, whole.value[0], 1e-12);
}

// A process without end, everything about it drawn at random.
DecisionProcess random_process(int64_t states, int64_t actions, std::mt19937_64& random) {
  std::uniform_real_distribution<double> reward(-1, 1);
  std::exponential_distribution<double> share(1);
  std::vector<Row> rows;
  for (int64_t s = 0; s < states; ++s) {
    for (int64_t a = 0; a < actions; ++a) {
      std::vector<double> shares(3);
      for (double& x : shares) x = share(random);
      const double sum = shares[0] + shares[1] + shares[2];
      for (int64_t branch = 0; branch < 3; ++branch) {
        // Branches lead to different states.
        rows.push_back({s, a, (s + a + branch * (states / 3)) % states,
                        shares[static_cast<size_t>(branch)] / sum, reward(random)});
      }
    }
  }
  return make(rows);
}

// A policy on the actions that a reduced process has kept, and the least mass that a state has kept.
struct Projection {
  BySlot policy;
  double least_mass = 1;
};

Projection project(const BySlot& policy, const DecisionProcess& process,
                   const DecisionProcess& kept) {
  Projection result;
  const auto all = offers_of(process), part = offers_of(kept);
  for (size_t s = 0; s < all.size(); ++s) {
    std::vector<double>& here = result.policy.emplace_back();
    double mass = 0;
    for (size_t slot = 0, a = 0; slot < all[s].size() && a < part[s].size(); ++slot) {
      if (all[s][slot].action != part[s][a].action) continue;
      here.push_back(policy[s][slot]);
      mass += policy[s][slot];
      ++a;
    }
    for (double& p : here) p /= mass;
    result.least_mass = std::min(result.least_mass, mass);
  }
  return result;
}

// The fewest of a policy's likeliest actions that reach a mass.
DecisionProcess nucleus(const DecisionProcess& process, const BySlot& policy, double p) {
  std::vector<std::vector<int64_t>> allowed;
  for (const std::vector<double>& probabilities : policy) {
    std::vector<int64_t> order(probabilities.size());
    for (size_t a = 0; a < order.size(); ++a) order[a] = static_cast<int64_t>(a);
    const auto of = [&](int64_t a) { return probabilities[static_cast<size_t>(a)]; };
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return of(a) > of(b); });
    std::vector<int64_t>& here = allowed.emplace_back();
    double mass = 0;
    for (const int64_t action : order) {
      if (mass >= p) break;
      here.push_back(action);
      mass += of(action);
    }
    std::sort(here.begin(), here.end());
  }
  return reduced(process, allowed);
}

// How far the reduced process lies below the whole in the worst place, over the bound on it.
double tightness(const DecisionProcess& process, const DecisionProcess& kept,
                 const Solution& teacher, double discount) {
  const Projection projected = project(teacher.policy, process, kept);
  const Solution best = solve_soft(kept, discount, 1);
  const Solution of_teacher = evaluate_soft(kept, projected.policy, discount, 1);
  const double bound = -discount / (1 - discount) * std::log(projected.least_mass);
  const auto all = offers_of(process), part = offers_of(kept);
  double largest = 0;
  for (size_t s = 0; s < all.size(); ++s) {
    for (size_t slot = 0, a = 0; slot < all[s].size() && a < part[s].size(); ++slot) {
      if (all[s][slot].action != part[s][a].action) continue;
      // The projected teacher is worth no more than the best reduced policy, that no more than the best.
      EXPECT_LE(of_teacher.q[s][a], best.q[s][a] + 1e-9);
      EXPECT_LE(best.q[s][a], teacher.q[s][slot] + 1e-9);
      EXPECT_LE(teacher.q[s][slot] - of_teacher.q[s][a], bound + 1e-9);
      largest = std::max(largest, teacher.q[s][slot] - best.q[s][a]);
      ++a;
    }
  }
  EXPECT_LE(largest, bound + 1e-9);
  return bound == 0 ? 0 : largest / bound;
}

// Keeping the teacher's likeliest actions of mass p costs a soft-optimal teacher at most -g / (1 - g) log p
// (Yu, Li & Zhang 2025, arXiv:2505.20335). Nearly as much is lost, so the bound is one worth checking.
TEST(Reduced, LosesNoMoreThanTheBoundOfItsMass) {
  std::mt19937_64 random(1);
  double tightest = 0;
  for (int world = 0; world < 60; ++world) {
    const DecisionProcess process = random_process(6, 8, random);
    for (const double discount : {.5, .9, .99}) {
      const Solution teacher = solve_soft(process, discount, 1);
      for (const double p : {.5, .8, .95}) {
        const DecisionProcess kept = nucleus(process, teacher.policy, p);
        tightest = std::max(tightest, tightness(process, kept, teacher, discount));
      }
      for (const int64_t k : {1, 3, 8}) {
        const DecisionProcess kept = likeliest_actions(process, teacher.policy, k);
        tightest = std::max(tightest, tightness(process, kept, teacher, discount));
      }
    }
  }
  EXPECT_GT(tightest, 0.8);
  EXPECT_LT(tightest, 1);
}

TEST(Reduced, RefusesActionsThatAreNotOffered) {
  expect_refused([] { reduced(loop(), {{2}, {}}); }, "state \"s0\" does not offer action 2");
  expect_refused([] { reduced(loop(), {{}, {}}); }, "state \"s0\" offers no action");
  expect_refused([] { reduced(loop(), {{0}}); }, "expected actions for 2 states, found 1");
  expect_refused([] { likeliest_actions(loop(), {{1, 0}, {}}, 0); }, "needs k >= 1, found 0");
}

TEST(GraphSolver, SolvesALongChainWithoutDiscount) {
  std::vector<Row> rows;
  for (int64_t s = 0; s < 20000; ++s) rows.push_back({s, 0, s + 1, 1, 1});
  EXPECT_EQ(solve(make({rows.begin(), rows.begin() + 500}), 1).value[0], 500);
}

TEST(GraphSolver, RefusesADiscountOf1WhereEpisodesNeedNotEnd) {
  const DecisionProcess cycle = make({{0, 0, 1}, {1, 0, 0}, {1, 1, 2}});
  expect_refused(
      [&] { solve(cycle, 1); },
      "with discount 1 every episode must end, but one may go on for ever: s0 -> s1 -> s0");
  EXPECT_NO_THROW(solve(cycle, .9));
  // Every action may slip out of the cycle: no policy stays.
  EXPECT_NO_THROW(solve(make({{0, 0, 1}, {1, 0, 0, .9}, {1, 0, 2, .1}}), 1));
  expect_refused([&] { solve(make({{0, 0, 0}}), 1); }, "s0 -> s0");
}

TEST(GraphSolver, RefusesAGoalThatIsNeverReachedWithDiscount1) {
  const DecisionProcess world = make({{0, 0, 1}, {2, 0, 3}});
  expect_refused([&] { solve(world, 1); },
                 "with discount 1, the terminal state \"s3\" must be reachable");
  EXPECT_NO_THROW(solve(world, .99));
}

TEST(GraphSolver, RefusesWhatMakesNoSense) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double discount : {-.1, 1.1, nan}) {
    expect_refused([&] { solve(loop(), discount); }, "needs 0 <= discount <= 1, found");
  }
  for (const double temperature : {0., -1., nan}) {
    expect_refused([&] { solve_soft(loop(), .9, temperature); }, "needs temperature > 0, found");
  }
  expect_refused([] { evaluate(loop(), {{1}, {}}, .9); }, "expected 2 probabilities, found 1");
  expect_refused(
      [] {
        evaluate(loop(), {{.5, .4}, {}}, .9);
      },
      "expected probabilities that sum to 1");
  expect_refused(
      [] {
        evaluate(loop(), {{1.5, -.5}, {}}, .9);
      },
      "expected probabilities that sum to 1");
  expect_refused([] { evaluate(loop(), {{1, 0}}, .9); }, "expected a policy of 2 states, found 1");
  expect_refused(
      [&] {
        validate(make({{0, 0, 1, 1, nan}}));
      },
      "state \"s0\", action \"a0\": a reward is a finite number, found nan");
}

}  // namespace
}  // namespace envs
