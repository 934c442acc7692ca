#include "envs/token/token_tree.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "envs/graph_solver.h"
#include "rl/torch.h"

namespace envs {
namespace {

using rl::Tensor;

constexpr int64_t kVocabulary = 4;
constexpr int64_t kEnd = 3;

TokenTree small_tree() { return {kVocabulary, 3, {kEnd}}; }

// Random numbers for every prefix, the same for the same seed.
ByLevel random_table(const TokenTree& tree, uint64_t seed) {
  torch::manual_seed(seed);
  return tabulate(tree, [&](const Tensor& prefixes) {
    return torch::randn({prefixes.size(0), tree.vocabulary()}, torch::kFloat64);
  });
}

ByLevel log_softmax(const ByLevel& logits) {
  ByLevel result;
  for (const Tensor& level : logits) result.push_back(level.log_softmax(1));
  return result;
}

// The sum of a table's entries along each answer: float64[answers].
Tensor along_answers(const TokenTree& tree, const ByLevel& table) {
  Tensor at_prefix = torch::zeros({1}, torch::kFloat64);
  std::vector<Tensor> ended;
  for (int64_t level = 0; level < tree.levels(); ++level) {
    const Tensor sum = at_prefix.unsqueeze(1) + table[static_cast<size_t>(level)];
    ended.push_back(sum.masked_select(tree.next(level) < 0));
    at_prefix = sum.masked_select(tree.next(level) >= 0);
  }
  return torch::cat(ended);
}

TEST(TokenTree, HoldsEveryAnswerOnce) {
  const auto answers = small_tree().answers();
  // 1 of one token, 3 of two, 9 x 4 of three.
  EXPECT_EQ(answers.size(), 40u);
  EXPECT_EQ(std::set(answers.begin(), answers.end()).size(), answers.size());
  for (const auto& answer : answers) {
    EXPECT_TRUE(answer.back() == kEnd || answer.size() == 3);
    EXPECT_EQ(std::count(answer.begin(), answer.end() - 1, kEnd), 0);
  }
}

// The general solver knows nothing of tokens; it must find what the tree works out level by level.
TEST(TokenTree, IsADecisionProcessLikeAnyOther) {
  const TokenTree tree = small_tree();
  const ByLevel reward = random_table(tree, 5);
  const DecisionProcess process = decision_process(tree, reward);
  ASSERT_NO_THROW(validate(process));
  EXPECT_EQ(process.graph[5].name, "0 1");
  const Solution graph = solve_soft(process, .9, .7);
  const SoftSolution levels = solve_soft(tree, reward, .9, .7);
  const ByLevel reached = reach(tree, levels.log_probs);
  const std::vector<double> visits = occupancy(process, graph.policy, 1);
  size_t state = 0;
  for (size_t level = 0; level < levels.value.size(); ++level) {
    for (int64_t i = 0; i < levels.value[level].size(0); ++i, ++state) {
      EXPECT_NEAR(graph.value[state], levels.value[level][i].item<double>(), 1e-12);
      EXPECT_NEAR(visits[state], reached[level][i].item<double>(), 1e-12);
    }
  }
  EXPECT_EQ(state + 1, graph.value.size());
}

TEST(TokenTree, StopsWhereEveryTokenEnds) {
  const TokenTree tree(2, 5, {0, 1});
  EXPECT_EQ(tree.levels(), 1);
  EXPECT_EQ(tree.answers().size(), 2u);
}

TEST(TokenTree, RefusesWhatCannotBeWrittenOut) {
  EXPECT_THROW(TokenTree(0, 3, {}), std::invalid_argument);
  EXPECT_THROW(TokenTree(5, 3, {5}), std::invalid_argument);
  EXPECT_THROW(TokenTree(50000, 64, {}), std::invalid_argument);
}

TEST(TokenTree, ProbabilitiesOfAnswersSumToOne) {
  const TokenTree tree = small_tree();
  const ByLevel log_p = log_softmax(random_table(tree, 1));
  const Tensor probabilities = answer_probabilities(tree, log_p);
  EXPECT_NEAR(probabilities.sum().item<double>(), 1, 1e-12);
  EXPECT_TRUE(probabilities.allclose(along_answers(tree, log_p).exp(), 1e-12, 1e-15));
}

TEST(SequenceKl, IsTheDivergenceBetweenWholeAnswers) {
  const TokenTree tree = small_tree();
  const ByLevel log_p = log_softmax(random_table(tree, 1)),
                log_q = log_softmax(random_table(tree, 2));
  const Tensor p = answer_probabilities(tree, log_p), q = answer_probabilities(tree, log_q);
  const double expected = (p * (p / q).log()).sum().item<double>();
  EXPECT_GT(expected, 0.1);
  EXPECT_NEAR(sequence_kl(tree, log_p, log_q).item<double>(), expected, 1e-12);
  EXPECT_NEAR(sequence_kl(tree, log_p, log_p).item<double>(), 0, 1e-12);
}

// The score function: sum over answers of q(y) R(y) grad log q(y), with R = log q - log p from each token on.
TEST(SequenceKl, HasThePolicyGradientAsItsGradient) {
  const TokenTree tree = small_tree();
  const ByLevel log_p = log_softmax(random_table(tree, 1));
  ByLevel logits = random_table(tree, 2);
  for (Tensor& level : logits) level.requires_grad_();
  const ByLevel log_q = log_softmax(logits);
  const auto exact = torch::autograd::grad({sequence_kl(tree, log_q, log_p)}, logits, {},
                                           /*retain_graph=*/true);
  ByLevel reward;
  for (size_t level = 0; level < logits.size(); ++level) {
    reward.push_back((log_q[level] - log_p[level]).detach());
  }
  const Tensor returns = along_answers(tree, reward);
  const Tensor weight = answer_probabilities(tree, log_q).detach();
  const Tensor surrogate = (weight * returns * along_answers(tree, log_q)).sum();
  const auto sampled = torch::autograd::grad({surrogate}, logits);
  for (size_t level = 0; level < logits.size(); ++level) {
    EXPECT_TRUE(sampled[level].allclose(exact[level], 1e-9, 1e-12)) << "level " << level;
  }
}

TEST(SolveSoft, PaysEntropy) {
  const TokenTree tree = small_tree();
  ByLevel nothing = random_table(tree, 1);
  for (Tensor& level : nothing) level.zero_();
  const SoftSolution solution = solve_soft(tree, nothing, 1, 0.5);
  // Without reward all answers are equally good: the value is the entropy of a uniform choice among 40.
  EXPECT_NEAR(solution.value[0].item<double>(), 0.5 * std::log(40.0), 1e-12);
  EXPECT_TRUE(answer_probabilities(tree, solution.log_probs)
                  .allclose(torch::full({40}, 1.0 / 40, torch::kFloat64), 1e-12, 1e-15));
  EXPECT_THROW(solve_soft(tree, nothing, 1, 0), std::invalid_argument);
}

TEST(Tilted, IsThePriorTimesTheExponentialOfTheReward) {
  const TokenTree tree = small_tree();
  const ByLevel log_p = log_softmax(random_table(tree, 1)), reward = random_table(tree, 3);
  const double beta = 0.7;
  const Tensor weight =
      answer_probabilities(tree, log_p) * (along_answers(tree, reward) / beta).exp();
  const SoftSolution solution = tilted(tree, log_p, reward, beta);
  EXPECT_TRUE(
      answer_probabilities(tree, solution.log_probs).allclose(weight / weight.sum(), 1e-10, 1e-14));
  EXPECT_NEAR(solution.value[0].item<double>(), beta * std::log(weight.sum().item<double>()),
              1e-10);
}

}  // namespace
}  // namespace envs
