#include "rl/learner.h"

#include <gmock/gmock.h>

#include <atomic>

#include "rl/losses/imitation.h"
#include "rl/losses/td.h"
#include "rl/opinion.h"
#include "rl/ops/divergence.h"
#include "rl/ops/linear.h"
#include "rl/torch.h"
#include "tests/toy/readout_policy.h"

namespace rl {
namespace {

using toy::make_batch;
using toy::ReadoutPolicy;

RewardTerm minus_forward_kl() {
  return [](const Opinion& o) {
    return -ops::forward_kl(o.prior_log_probs(), o.log_probs(), o.prior_tail_log_prob(),
                            o.tail_log_prob());
  };
}

std::vector<Objective> imitate(RewardTerm term) {
  std::vector<Objective> objectives;
  objectives.push_back({"imitation", 1.0, std::make_unique<Imitation>(), {{{"kl", 1.0, term}}}});
  return objectives;
}

// A second, slower formula: everything at once by autograd.
TEST(SumStates, EqualsTheSumOverFullRows) {
  const Trajectory batch = make_batch(6, 5, 40, 7, /*reduced=*/true);
  ReadoutPolicy policy(8, 40, 3);
  const PolicyOutput output = policy.evaluate(batch);
  const Tensor weight = batch.mask.to(torch::kFloat32) * 0.5;
  const StateSum sum = sum_states(output, batch, weight, {2.0, 0.0}, [](const Opinion& o) {
    return torch::stack({minus_forward_kl()(o), o.action_log_prob()}, -1);
  });
  const auto found = torch::autograd::grad({sum.total}, {policy.weight, policy.table});

  const PolicyOutput again = policy.evaluate(batch);
  const Tensor logits = torch::matmul(again.features, policy.weight.t()).flatten(0, 1);
  const auto flat = [](const Tensor& x) { return x.flatten(0, 1); };
  const Opinion all(logits, batch.actions.map(flat), batch.action.flatten());
  const Tensor expected = (2.0 * minus_forward_kl()(all) * weight.flatten()).sum();
  const auto wanted = torch::autograd::grad({expected}, {policy.weight, policy.table});
  EXPECT_NEAR(sum.total.item<double>(), expected.item<double>(), 1e-4);
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_TRUE(found[i].allclose(wanted[i], 1e-5, 1e-6));
  }
}

TEST(MapStates, HasValueAndGradientOfTheFullRows) {
  const Trajectory batch = make_batch(4, 3, 30, 5, /*reduced=*/true);
  ReadoutPolicy policy(8, 30, 3);
  const auto f = [](const Opinion& o) {
    return torch::stack({o.tail_log_prob(), o.max_logit(), o.action_log_prob().square()}, -1);
  };
  const Tensor factor = torch::rand({4, 3, 3});
  const Tensor mapped = map_states(policy.evaluate(batch), batch, batch.mask, f, 3);
  const auto found =
      torch::autograd::grad({(mapped * factor).sum()}, {policy.weight, policy.table});

  const PolicyOutput again = policy.evaluate(batch);
  const Tensor logits = torch::matmul(again.features, policy.weight.t()).flatten(0, 1);
  const auto flat = [](const Tensor& x) { return x.flatten(0, 1); };
  const Opinion all(logits, batch.actions.map(flat), batch.action.flatten());
  const Tensor rows = f(all) * flat(batch.mask).unsqueeze(-1);
  EXPECT_TRUE(mapped.flatten(0, 1).allclose(rows, 1e-5, 1e-6));
  const auto wanted =
      torch::autograd::grad({(rows * flat(factor)).sum()}, {policy.weight, policy.table});
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_TRUE(found[i].allclose(wanted[i], 1e-5, 1e-6));
  }
}

std::vector<Tensor> gradients_with(int64_t micro_batch_tokens, int shards, Average average) {
  const Trajectory batch = make_batch(10, 6, 40, 7, /*reduced=*/true);
  LearnerOptions options;
  options.micro_batch_tokens = micro_batch_tokens;
  options.average = average;
  options.threads = {shards, 1};
  Learner learner(std::make_shared<ReadoutPolicy>(8, 40, 3), imitate(minus_forward_kl()), options);
  learner.accumulate(batch);
  return learner.gradients();
}

TEST(Learner, GivesTheSameGradientHoweverTheBatchIsCut) {
  for (const Average average : {Average::kSteps, Average::kRows}) {
    const std::vector<Tensor> whole = gradients_with(1000, 1, average);
    for (const auto& [tokens, shards] : {std::pair{30, 1}, {12, 1}, {1000, 2}, {12, 2}}) {
      const std::vector<Tensor> cut = gradients_with(tokens, shards, average);
      for (size_t i = 0; i < whole.size(); ++i) {
        EXPECT_LE((cut[i] - whole[i]).abs().max().item<double>(), 1e-6);
      }
    }
  }
}

// One row of 1 step and one of 5: the mean over steps counts every step alike.
TEST(Learner, AveragesOverTheStepsOfTheWholeUpdate) {
  const Trajectory batch = make_batch(2, 5, 12, 3, /*reduced=*/false);
  Trajectory ragged = batch;
  ragged.mask = torch::zeros_like(batch.mask);
  ragged.mask[0][0] = true;
  ragged.mask[1].fill_(true);
  ragged.state_mask = ragged.mask;
  ReadoutPolicy policy(8, 12, 3);
  const Tensor per_state =
      map_states(policy.evaluate(ragged), ragged, ragged.mask, minus_forward_kl()).detach();
  const auto loss = [&](Average average) {
    LearnerOptions options;
    options.average = average;
    options.micro_batch_tokens = 1;
    Learner learner(std::make_shared<ReadoutPolicy>(8, 12, 3), imitate(minus_forward_kl()),
                    options);
    learner.accumulate(ragged);
    return learner.step().at("policy/loss/imitation");
  };
  EXPECT_NEAR(loss(Average::kSteps), -per_state.sum().item<double>() / 6, 1e-5);
  const double rows = (per_state[0][0] + per_state[1].mean()).item<double>() / 2;
  EXPECT_NEAR(loss(Average::kRows), -rows, 1e-5);
}

// Judges as a policy does, and counts how often that policy is asked.
struct CountingPrior : Prior {
  explicit CountingPrior(std::shared_ptr<ReadoutPolicy> its_policy)
      : policy(std::move(its_policy)) {}
  ActionSet judge(const Trajectory& t) const override {
    ++asked;
    return judge_by(policy->evaluate(t), t);
  }
  ActionSet judge_by(const PolicyOutput& states, const Trajectory&) const override {
    return {{},
            {},
            {},
            states.features.detach(),
            std::make_shared<Readout>(Readout{policy->weight.detach(), {}, 1.0})};
  }
  std::shared_ptr<ReadoutPolicy> policy;
  mutable std::atomic<int> asked = 0;
};

TEST(Learner, DoesNotAskAgainWhatItsJudgeHasLearnedFrom) {
  const Trajectory batch = make_batch(7, 5, 12, 3, false), other = make_batch(7, 5, 12, 4, false);
  const auto teacher = std::make_shared<ReadoutPolicy>(8, 12, 5);
  const auto prior = std::make_shared<CountingPrior>(teacher);
  LearnerOptions options;
  options.micro_batch_tokens = 6;
  options.keeps_states = true;
  Learner first(teacher, imitate(minus_forward_kl()), options);
  options.judge = prior;
  Learner alone(std::make_shared<ReadoutPolicy>(8, 12, 3), imitate(minus_forward_kl()), options);
  options.judge_learns = &first;
  Learner second(std::make_shared<ReadoutPolicy>(8, 12, 3), imitate(minus_forward_kl()), options);

  first.accumulate(batch);
  second.accumulate(batch);
  EXPECT_EQ(prior->asked, 0);
  alone.accumulate(batch);
  EXPECT_GT(prior->asked, 1);
  const std::vector<Tensor> found = second.gradients(), expected = alone.gradients();
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(found[i].equal(expected[i]));
  // Of another batch, and once the judge has changed, it is asked.
  prior->asked = 0;
  second.accumulate(other);
  EXPECT_GT(prior->asked, 0);
  first.step();
  prior->asked = 0;
  second.accumulate(batch);
  EXPECT_GT(prior->asked, 0);
}

// A row of importance 2 counts like two rows, in an average over as many steps as before.
TEST(Learner, WeighsRowsByTheirImportance) {
  Trajectory batch = make_batch(3, 1, 12, 3, false);
  const auto gradients = [](const Trajectory& rows) {
    Learner learner(std::make_shared<ReadoutPolicy>(8, 12, 3), imitate(minus_forward_kl()), {});
    EXPECT_FALSE(learner.accumulate(rows).defined());
    return learner.gradients();
  };
  const auto twice = gradients(batch.select(torch::tensor({0, 1, 1, 2})));
  batch.importance = torch::tensor({1.F, 2.F, 1.F});
  const auto weighed = gradients(batch);
  for (size_t i = 0; i < twice.size(); ++i) {
    EXPECT_TRUE(weighed[i].allclose(twice[i] * 4 / 3, 1e-5, 1e-6));
  }
}

TEST(Learner, TellsHowWrongItWasAboutEachRowHoweverTheBatchIsCut) {
  const Trajectory batch = make_batch(7, 4, 12, 3, false);
  const auto errors = [&](int64_t micro_batch_tokens, int shards) {
    std::vector<Objective> objectives;
    objectives.push_back({"td", 1.0, std::make_unique<Td>(TdOptions{}), {}});
    LearnerOptions options;
    options.micro_batch_tokens = micro_batch_tokens;
    options.threads = {shards, 1};
    Learner learner(std::make_shared<ReadoutPolicy>(8, 12, 3), std::move(objectives), options);
    return learner.accumulate(batch);
  };
  const Tensor whole = errors(1000, 1);
  EXPECT_EQ(whole.size(0), 7);
  EXPECT_GT(whole.min().item<double>(), 0);
  EXPECT_TRUE(errors(5, 2).allclose(whole, 1e-5, 1e-6));
}

TEST(Learner, NamesALossThatIsNotFiniteAndKeepsTheParameters) {
  auto policy = std::make_shared<ReadoutPolicy>(8, 12, 3);
  const Tensor before = policy->weight.detach().clone();
  Learner learner(policy, imitate([](const Opinion& o) { return o.action_log_prob() / 0.0; }), {});
  learner.accumulate(make_batch(2, 2, 12, 3, false));
  try {
    learner.step();
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("imitation"));
    EXPECT_THAT(error.what(), testing::HasSubstr("parameters are unchanged"));
  }
  EXPECT_TRUE(policy->weight.equal(before));
}

TEST(Learner, ResumesToTheSameBits) {
  const auto run = [](int stop_after) {
    auto policy = std::make_shared<ReadoutPolicy>(8, 20, 3);
    auto learner = std::make_unique<Learner>(policy, imitate(minus_forward_kl()), LearnerOptions{});
    for (int i = 0; i < 6; ++i) {
      if (i == stop_after) {
        State state;
        learner->save(state);
        policy = std::make_shared<ReadoutPolicy>(8, 20, 99);
        learner = std::make_unique<Learner>(policy, imitate(minus_forward_kl()), LearnerOptions{});
        learner->load(state);
      }
      learner->accumulate(make_batch(4, 3, 20, static_cast<uint64_t>(i), true));
      learner->step();
    }
    return policy->weight.detach().clone();
  };
  EXPECT_TRUE(run(-1).equal(run(3)));
}

TEST(Learner, LearnsToEqualThePrior) {
  auto policy = std::make_shared<ReadoutPolicy>(16, 12, 3);
  LearnerOptions options;
  options.learning_rate = [](int64_t) { return 0.05; };
  Learner learner(policy, imitate(minus_forward_kl()), options);
  double loss = 0;
  for (int i = 0; i < 300; ++i) {
    learner.accumulate(make_batch(8, 2, 12, 5, false));
    loss = learner.step().at("policy/loss/imitation");
  }
  EXPECT_LT(loss, 1e-2);
}

TEST(Adam, EqualsTheFormulaByHand) {
  Tensor parameter = torch::tensor({1.0f});
  AdamW optimizer({parameter}, {0.9, 0.999, 1e-8, 0.1});
  optimizer.step({torch::tensor({0.5f})}, torch::ones({}), 0.01, {});
  // The first step moves by the learning rate whatever the gradient's size, after the decay.
  EXPECT_NEAR(parameter.item<double>(), 1.0 * (1 - 0.01 * 0.1) - 0.01, 1e-6);
  optimizer.step({torch::tensor({0.5f})}, torch::ones({}), 0.01, {});
  EXPECT_NEAR(parameter.item<double>(), (0.999 - 0.01) * 0.999 - 0.01, 1e-6);
}

}  // namespace
}  // namespace rl
