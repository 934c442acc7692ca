// Sampled objectives against sums over every answer there is.

#include "envs/token/token_tree.h"

#include <gmock/gmock.h>

#include "agents/language_model.h"
#include "agents/weights.h"
#include "envs/token/dataset_source.h"
#include "rl/losses/imitation.h"
#include "rl/losses/policy_gradient.h"
#include "rl/ops/divergence.h"
#include "rl/torch.h"

namespace agents {
namespace {

using envs::ByLevel;
using rl::Tensor;

constexpr int64_t kVocabulary = 5, kEnd = 4, kLength = 3;
const std::vector<int64_t> kPrompt = {1, 2};

Decoder tiny_decoder(uint64_t seed) {
  return new_decoder(
      parse_decoder_config(
          R"({"model_type": "llama", "vocab_size": 5, "hidden_size": 8, "intermediate_size": 16,
              "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
              "max_position_embeddings": 16, "rms_norm_eps": 1e-5, "initializer_range": 0.6,
              "tie_word_embeddings": false})",
          "tiny"),
      seed);
}

// Every answer to one prompt, by a student and its teacher.
class EveryAnswer : public testing::Test {
 protected:
  static ByLevel log_probs(const Decoder& decoder, const envs::TokenTree& tree) {
    return tabulate(tree, [&](const Tensor& prefixes) {
      const Tensor prompt = torch::tensor(kPrompt).expand({prefixes.size(0), -1});
      const Tensor ids = torch::cat({prompt, prefixes}, 1);
      rl::Trajectory t;
      t.observation = ids;
      t.start = torch::full({ids.size(0)}, ids.size(1) - 1, torch::kInt64);
      t.action = torch::zeros({ids.size(0), 1}, torch::kInt64);
      t.mask = t.state_mask = torch::ones({ids.size(0), 1}, torch::kBool);
      const HiddenStates states = hidden_states(decoder, t);
      return states.readout.logits(states.features.flatten(0, 1)).log_softmax(-1);
    });
  }

  rl::Trajectory episodes() const {
    std::vector<envs::Example> examples;
    for (const auto& answer : tree.answers()) {
      examples.push_back({.prompt = kPrompt, .response = answer, .ended = true, .where = ""});
    }
    rl::Trajectory t =
        envs::trajectory_of(examples, torch::arange(static_cast<int64_t>(examples.size())));
    return t;
  }

  // Gradients of a loss over all answers, each step weighed by the probability of its answer.
  std::vector<Tensor> gradients(const rl::Loss& loss, const rl::Reward& reward,
                                rl::Trajectory t) const {
    {
      torch::NoGradGuard no_grad;
      t = loss.complete(loss.prepare(t, policy, reward));
    }
    const Tensor answers =
        answer_probabilities(tree, log_probs(student, tree)).detach().to(torch::kFloat32);
    const Tensor weight = answers.unsqueeze(1) * t.mask;
    const rl::PolicyOutput output = policy.evaluate(t);
    return gradients(loss({t, output, nullptr, reward, weight}).loss);
  }

  std::vector<Tensor> gradients(const Tensor& loss) const {
    std::vector<Tensor> parameters;
    for (const auto& [name, parameter] : policy.parameters()) parameters.push_back(parameter);
    return torch::autograd::grad({loss}, parameters);
  }

  // To 1e-6 of the largest gradient, which is what float32 can tell.
  static void expect_near(const std::vector<Tensor>& found, const std::vector<Tensor>& expected) {
    ASSERT_EQ(found.size(), expected.size());
    double largest = 0;
    for (const Tensor& x : expected) largest = std::max(largest, x.abs().max().item<double>());
    EXPECT_GT(largest, 0.01);
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_LT((found[i] - expected[i]).abs().max().item<double>(), 1e-6 * largest)
          << "tensor " << i;
    }
  }

  rl::Trajectory judged() const {
    rl::Trajectory t = episodes();
    torch::NoGradGuard no_grad;
    const HiddenStates states = hidden_states(teacher, t);
    const Tensor log_p = states.readout.logits(states.features.flatten(0, 1))
                             .log_softmax(-1)
                             .unflatten(0, {t.size(), t.length()});
    return t.with(rl::ActionSet{{}, log_p, {}, {}, nullptr});
  }

  // log p - log q of the token taken.
  static rl::Reward log_ratio() {
    return {{{"log_ratio", 1.0, [](const rl::Opinion& o) {
                return o.prior_log_probs().gather(-1, o.action().unsqueeze(-1)).squeeze(-1) -
                       o.action_log_prob();
              }}}};
  }

  envs::TokenTree tree{kVocabulary, kLength, {kEnd}};
  Decoder student = tiny_decoder(1), teacher = tiny_decoder(2);
  LanguageModel policy{student};
};

TEST_F(EveryAnswer, TheirPolicyGradientIsThatOfTheReverseDivergence) {
  const Tensor exact = sequence_kl(tree, log_probs(student, tree), log_probs(teacher, tree));
  const rl::PolicyGradient reinforce({.gamma = 1,
                                      .clip = std::nullopt,
                                      .normalization = rl::ops::Normalization::none,
                                      .baseline = rl::Baseline::none});
  expect_near(gradients(reinforce, log_ratio(), judged()), gradients(exact));
}

// Without looking ahead, what is sampled is the divergence at each state, who came there being left alone.
TEST_F(EveryAnswer, TheirOnPolicyDistillationIsTheDivergenceAtEachState) {
  const ByLevel log_q = log_probs(student, tree), log_p = log_probs(teacher, tree);
  const ByLevel reached = reach(tree, log_q);
  Tensor exact = torch::zeros({}, torch::kFloat64);
  for (size_t level = 0; level < log_q.size(); ++level) {
    const Tensor at_prefix = (log_q[level].exp() * (log_q[level] - log_p[level])).sum(1);
    exact = exact + (reached[level].detach() * at_prefix).sum();
  }
  const auto expected = gradients(exact);
  const rl::PolicyGradient sampled({.gamma = 0,
                                    .clip = std::nullopt,
                                    .normalization = rl::ops::Normalization::none,
                                    .baseline = rl::Baseline::none});
  expect_near(gradients(sampled, log_ratio(), judged()), expected);
  const rl::Reward reverse{{{"reverse_kl", -1.0, [](const rl::Opinion& o) {
                               return rl::ops::reverse_kl(o.prior_log_probs(), o.log_probs());
                             }}}};
  expect_near(gradients(rl::Imitation(), reverse, judged()), expected);
}

// Answers drawn from a mixture of teacher and student, token by token: with the weight of the whole prefix the
// expectation under the student comes back, with that of the single token it does not.
TEST_F(EveryAnswer, NeedTheWeightOfTheWholePrefixWhenOthersWrite) {
  const ByLevel log_q = log_probs(student, tree), log_p = log_probs(teacher, tree);
  ByLevel log_mixed;
  for (size_t level = 0; level < log_q.size(); ++level) {
    log_mixed.push_back((0.2 * log_p[level].exp() + 0.8 * log_q[level].exp()).log());
  }
  const ByLevel by_student = reach(tree, log_q), by_mixture = reach(tree, log_mixed);
  double exact = 0, whole = 0, single = 0;
  for (size_t level = 0; level < log_q.size(); ++level) {
    const Tensor reward = log_p[level] - log_q[level];
    const Tensor step = (log_q[level] - log_mixed[level]).exp();
    const Tensor prefix = (by_student[level] / by_mixture[level]).unsqueeze(1);
    const Tensor drawn = by_mixture[level].unsqueeze(1) * log_mixed[level].exp();
    exact += (by_student[level].unsqueeze(1) * log_q[level].exp() * reward).sum().item<double>();
    whole += (drawn * prefix * step * reward).sum().item<double>();
    single += (drawn * step * reward).sum().item<double>();
  }
  EXPECT_NEAR(whole, exact, 1e-9);
  EXPECT_GT(std::abs(single - exact), 1e-3);
}

// A student that is a table: a row of logits for each prefix of the tree.
struct TablePolicy : rl::PolicyModel {
  TablePolicy(Tensor table, Tensor prefix_of)
      : logits(table.detach().clone().requires_grad_()), prefixes(std::move(prefix_of)) {}
  rl::PolicyOutput evaluate(const rl::Trajectory&) const override {
    return {logits.index({prefixes}), {}, {}};
  }
  rl::NamedTensors parameters() const override { return {{"logits", logits}}; }
  std::unique_ptr<rl::PolicyModel> clone() const override {
    return std::make_unique<TablePolicy>(*this);
  }

  Tensor logits;    // float32[prefixes, V]
  Tensor prefixes;  // int64[answers, T], what an answer has written before each of its tokens
};

// Rows of the table that each answer reads.
Tensor prefixes_of(const envs::TokenTree& tree) {
  std::vector<int64_t> first = {0};
  for (int64_t level = 0; level < tree.levels(); ++level) {
    first.push_back(first.back() + tree.prefixes(level).size(0));
  }
  const auto answers = tree.answers();
  Tensor rows = torch::zeros({static_cast<int64_t>(answers.size()), tree.levels()}, torch::kInt64);
  for (size_t i = 0; i < answers.size(); ++i) {
    int64_t place = 0;
    for (size_t t = 0; t < answers[i].size(); ++t) {
      const auto level = static_cast<int64_t>(t);
      rows[static_cast<int64_t>(i)][level] = first[t] + place;
      place = tree.next(level)[place][answers[i][t]].item<int64_t>();
    }
  }
  return rows;
}

// With respect to the logits themselves, over 5,461 answers, the sampled gradient is exact to 1e-6.
TEST(EveryAnswerOfATable, HasTheExactGradientOfTheReverseDivergence) {
  const envs::TokenTree tree(5, 6, {4});
  int64_t prefixes = 0;
  for (int64_t level = 0; level < tree.levels(); ++level) prefixes += tree.prefixes(level).size(0);
  torch::manual_seed(3);
  const Tensor teacher = torch::randn({prefixes, 5}).log_softmax(-1);
  const TablePolicy student(torch::randn({prefixes, 5}), prefixes_of(tree));
  const auto by_level = [&](const Tensor& table) {
    ByLevel levels;
    int64_t first = 0;
    for (int64_t level = 0; level < tree.levels(); ++level) {
      const int64_t count = tree.prefixes(level).size(0);
      levels.push_back(table.narrow(0, first, count).to(torch::kFloat64).log_softmax(-1));
      first += count;
    }
    return levels;
  };
  const ByLevel log_q = by_level(student.logits);
  const Tensor exact =
      torch::autograd::grad({sequence_kl(tree, log_q, by_level(teacher))}, {student.logits})[0];

  std::vector<envs::Example> examples;
  for (const auto& answer : tree.answers()) {
    examples.push_back({.prompt = {0}, .response = answer, .ended = true, .where = ""});
  }
  rl::Trajectory t =
      envs::trajectory_of(examples, torch::arange(static_cast<int64_t>(examples.size())));
  t = t.with(rl::ActionSet{{}, teacher.index({student.prefixes}), {}, {}, nullptr});
  const rl::PolicyGradient reinforce({.gamma = 1,
                                      .clip = std::nullopt,
                                      .normalization = rl::ops::Normalization::none,
                                      .baseline = rl::Baseline::none});
  const rl::Reward reward{
      {{"log_ratio", 1.0, [](const rl::Opinion& o) {
          return o.prior_log_probs().gather(-1, o.action().unsqueeze(-1)).squeeze(-1) -
                 o.action_log_prob();
        }}}};
  {
    torch::NoGradGuard no_grad;
    t = reinforce.complete(reinforce.prepare(t, student, reward));
  }
  const Tensor answers = answer_probabilities(tree, log_q).detach().to(torch::kFloat32);
  const rl::PolicyOutput output = student.evaluate(t);
  const Tensor loss = reinforce({t, output, nullptr, reward, answers.unsqueeze(1) * t.mask}).loss;
  const Tensor sampled = torch::autograd::grad({loss}, {student.logits})[0];
  EXPECT_GT(exact.abs().max().item<double>(), 0.1);
  EXPECT_LT((sampled - exact).abs().max().item<double>(), 1e-6);
}

}  // namespace
}  // namespace agents
