#include "envs/token/token_tree.h"

#include <algorithm>
#include <string>

#include "rl/check.h"
#include "rl/torch.h"

namespace envs {
namespace {

using rl::Tensor;

constexpr int64_t kMaxAnswers = int64_t{1} << 22;

// What stands on the next level behind each token, `absent` where there is nothing: [n, V].
Tensor behind(const TokenTree& tree, int64_t level, const Tensor& on_next, double absent) {
  const Tensor& next = tree.next(level);
  if (!on_next.defined()) return torch::full(next.sizes(), absent, torch::kFloat64);
  const Tensor found = on_next.index_select(0, next.clamp_min(0).flatten()).view(next.sizes());
  return found.masked_fill(next < 0, absent);
}

}  // namespace

TokenTree::TokenTree(int64_t vocabulary, int64_t max_length, const std::vector<int64_t>& end_ids)
    : vocabulary_(vocabulary) {
  rl::require(vocabulary >= 1 && max_length >= 1,
              "a token tree needs a vocabulary and a length of at least 1");
  Tensor ends = torch::zeros({vocabulary}, torch::kBool);
  for (const int64_t id : end_ids) {
    rl::require(id >= 0 && id < vocabulary, "end id " + std::to_string(id) +
                                                " is outside the vocabulary of " +
                                                std::to_string(vocabulary));
    ends[id] = true;
  }
  const Tensor going_on = ends.logical_not().nonzero().squeeze(1);
  Tensor prefixes = torch::empty({1, 0}, torch::kInt64);
  int64_t answers = 0;
  for (int64_t level = 0; level < max_length; ++level) {
    const int64_t count = prefixes.size(0), kept = going_on.size(0);
    const bool last = level + 1 == max_length;
    answers += count * (last ? vocabulary : vocabulary - kept);
    rl::require(answers + (last ? 0 : count * kept) <= kMaxAnswers,
                "a vocabulary of " + std::to_string(vocabulary) + " and answers of up to " +
                    std::to_string(max_length) + " tokens make more than " +
                    std::to_string(kMaxAnswers) + " answers");
    Tensor next = torch::full({count, vocabulary}, -1, torch::kInt64);
    if (!last) {
      next.index_copy_(1, going_on, torch::arange(count * kept).view({count, kept}));
    }
    prefixes_.push_back(prefixes);
    next_.push_back(next);
    if (last || kept == 0) break;
    prefixes =
        torch::cat({prefixes.repeat_interleave(kept, 0), going_on.repeat({count}).unsqueeze(1)}, 1);
  }
}

std::vector<std::vector<int64_t>> TokenTree::answers() const {
  std::vector<std::vector<int64_t>> answers;
  for (int64_t level = 0; level < levels(); ++level) {
    const Tensor ended = (next(level) < 0).nonzero().contiguous();
    const auto* places = ended.data_ptr<int64_t>();
    const auto* ids = prefixes(level).data_ptr<int64_t>();
    for (int64_t i = 0; i < ended.size(0); ++i) {
      const int64_t* prefix = ids + places[2 * i] * level;
      answers.emplace_back(prefix, prefix + level);
      answers.back().push_back(places[2 * i + 1]);
    }
  }
  return answers;
}

ByLevel tabulate(const TokenTree& tree, const std::function<Tensor(const Tensor&)>& of) {
  ByLevel result;
  for (int64_t level = 0; level < tree.levels(); ++level) {
    const Tensor& prefixes = tree.prefixes(level);
    const Tensor found = of(prefixes).to(torch::kFloat64);
    rl::expect_shape(found, {prefixes.size(0), tree.vocabulary()}, "level of a token tree");
    result.push_back(found);
  }
  return result;
}

DecisionProcess decision_process(const TokenTree& tree, const ByLevel& reward) {
  DecisionProcess process;
  process.source = "token tree";
  for (int64_t id = 0; id < tree.vocabulary(); ++id) process.actions.push_back(std::to_string(id));
  std::vector<size_t> first = {0};  // state of each level
  for (int64_t level = 0; level < tree.levels(); ++level) {
    const Tensor& prefixes = tree.prefixes(level);
    const auto* ids = prefixes.data_ptr<int64_t>();
    for (int64_t i = 0; i < prefixes.size(0); ++i) {
      std::string name = level == 0 ? "start" : "";
      for (int64_t d = 0; d < level; ++d) {
        name += (d == 0 ? "" : " ") + std::to_string(ids[i * level + d]);
      }
      boost::add_vertex(StateNode{.name = name, .terminal = false, .start = level == 0 ? 1. : 0.},
                        process.graph);
    }
    first.push_back(boost::num_vertices(process.graph));
  }
  const size_t end = boost::add_vertex(StateNode{.name = "end", .terminal = true}, process.graph);
  for (int64_t level = 0; level < tree.levels(); ++level) {
    const auto at = static_cast<size_t>(level);
    const Tensor paid = reward[at].contiguous(), next = tree.next(level).contiguous();
    const auto* rewards = paid.data_ptr<double>();
    const auto* places = next.data_ptr<int64_t>();
    for (int64_t i = 0; i < next.numel(); ++i) {
      const size_t from = first[at] + static_cast<size_t>(i / tree.vocabulary());
      const size_t to = places[i] < 0 ? end : first[at + 1] + static_cast<size_t>(places[i]);
      boost::add_edge(
          from, to,
          OutcomeEdge{.action = i % tree.vocabulary(), .probability = 1, .reward = rewards[i]},
          process.graph);
    }
  }
  return process;
}

ByLevel reach(const TokenTree& tree, const ByLevel& log_probs) {
  ByLevel result = {torch::ones({1}, torch::kFloat64)};
  for (int64_t level = 0; level + 1 < tree.levels(); ++level) {
    const auto at = static_cast<size_t>(level);
    const Tensor joint = result[at].unsqueeze(1) * log_probs[at].exp();
    // Places on the next level are numbered in the order of prefix and token.
    result.push_back(joint.masked_select(tree.next(level) >= 0));
  }
  return result;
}

Tensor answer_probabilities(const TokenTree& tree, const ByLevel& log_probs) {
  const ByLevel reached = reach(tree, log_probs);
  std::vector<Tensor> ended;
  for (int64_t level = 0; level < tree.levels(); ++level) {
    const auto at = static_cast<size_t>(level);
    const Tensor joint = reached[at].unsqueeze(1) * log_probs[at].exp();
    ended.push_back(joint.masked_select(tree.next(level) < 0));
  }
  return torch::cat(ended);
}

Tensor sequence_kl(const TokenTree& tree, const ByLevel& log_p, const ByLevel& log_q) {
  const ByLevel reached = reach(tree, log_p);
  Tensor total = torch::zeros({}, torch::kFloat64);
  for (size_t level = 0; level < reached.size(); ++level) {
    const Tensor at_prefix = (log_p[level].exp() * (log_p[level] - log_q[level])).sum(1);
    total = total + (reached[level] * at_prefix).sum();
  }
  return total;
}

SoftSolution solve_soft(const TokenTree& tree, const ByLevel& reward, double gamma,
                        double temperature) {
  rl::require(temperature > 0, "temperature must be > 0, found " + std::to_string(temperature));
  SoftSolution solution;
  Tensor value;
  for (int64_t level = tree.levels() - 1; level >= 0; --level) {
    const Tensor q = reward[static_cast<size_t>(level)] + gamma * behind(tree, level, value, 0);
    const Tensor scaled = q / temperature;
    value = temperature * scaled.logsumexp(1);
    solution.value.push_back(value);
    solution.log_probs.push_back(scaled.log_softmax(1));
  }
  std::reverse(solution.value.begin(), solution.value.end());
  std::reverse(solution.log_probs.begin(), solution.log_probs.end());
  return solution;
}

SoftSolution tilted(const TokenTree& tree, const ByLevel& log_prior, const ByLevel& reward,
                    double beta) {
  ByLevel paid;
  for (size_t level = 0; level < reward.size(); ++level) {
    paid.push_back(reward[level] + beta * log_prior[level]);
  }
  return solve_soft(tree, paid, /*gamma=*/1, beta);
}

}  // namespace envs
