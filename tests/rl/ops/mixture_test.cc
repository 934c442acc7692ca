#include "rl/ops/mixture.h"

#include <gmock/gmock.h>

#include <cmath>

#include "rl/action_set.h"
#include "rl/ops/divergence.h"
#include "rl/ops/masked.h"
#include "rl/torch.h"
#include "tests/support/golden.h"

namespace rl::ops {
namespace {

using testing_support::golden_cases;
using testing_support::GoldenCase;
using testing_support::largest_difference;

Tensor tensor(std::vector<double> values) { return torch::tensor(values, torch::kFloat64); }
Tensor log_softmax(const std::vector<double>& logits) { return tensor(logits).log_softmax(-1); }

// Worked number CTR-1.
TEST(Mixture, MixesProbabilitiesAsWorkedByHand) {
  const Tensor log_weights = log_softmax({0.3, -0.5});
  EXPECT_LE(largest_difference(log_weights.exp(), tensor({0.689974, 0.310026})), 1e-6);
  const Tensor mixed = mixture({log_softmax({2, 0, -1}), log_softmax({0, 1, 0})}, log_weights);
  EXPECT_LE(largest_difference(mixed.exp(), tensor({0.647904, 0.257403, 0.094693})), 1e-6);
}

// Worked number MT-1: both teachers taken.
TEST(Mixture, OfAllSelectedIsTheirMean) {
  const Tensor weights = even_log_weights(torch::tensor({true, true}));
  const Tensor mixed =
      mixture({tensor({0.7, 0.2, 0.1}).log(), tensor({0.4, 0.4, 0.2}).log()}, weights);
  EXPECT_LE(largest_difference(mixed.exp(), tensor({0.55, 0.3, 0.15})), 1e-6);
}

TEST(Mixture, LeavesOutWhatHasNoWeight) {
  const Tensor weights = even_log_weights(torch::tensor({false, true}));
  const Tensor second = log_softmax({0, 1, 0});
  EXPECT_LE(largest_difference(mixture({log_softmax({2, 0, -1}), second}, weights), second), 1e-7);
}

TEST(Mixture, OfOneActionImpossibleForAllIsImpossible) {
  const Tensor log_probs = tensor({0, -std::numeric_limits<double>::infinity()});
  const Tensor mixed =
      mixture({log_probs, log_probs}, even_log_weights(torch::tensor({true, true})));
  EXPECT_EQ(mixed[1].item<double>(), -std::numeric_limits<double>::infinity());
}

// Worked number MT-1: the policy and the gradient of -(R2 - b) ln pi.
TEST(SubsetLogProb, IsTheLogProbabilityOfIndependentChoices) {
  const Tensor logits = tensor({0.21, -0.15}).requires_grad_();
  EXPECT_LE(largest_difference(logits.sigmoid(), tensor({0.552308, 0.462570})), 1e-6);
  const Tensor found = subset_log_prob(logits, torch::tensor({true, false}));
  EXPECT_NEAR(found.item<double>(), -1.214607, 1e-6);
  (-(-1.594239 + 1.8) * found).backward();
  EXPECT_LE(largest_difference(logits.grad(), tensor({-0.092118, 0.095179})), 1e-6);
}

TEST(NeverEmpty, TakesTheLikeliestWhereNobodyWasTaken) {
  const Tensor logits = tensor({-2, -1, -3}).expand({2, 3});
  const Tensor chosen = torch::tensor({false, false, false, true, false, true}).view({2, 3});
  const Tensor expected = torch::tensor({false, true, false, true, false, true}).view({2, 3});
  EXPECT_TRUE(never_empty(logits, chosen).equal(expected));
}

// float[B, T, M] of any gate.
Tensor log_weights_of(const GoldenCase& golden, const Tensor& teachers) {
  if (golden.text("gate") == "selection") {
    return even_log_weights(golden.input("selection") > 0)
        .unsqueeze(1)
        .expand({teachers.size(1), teachers.size(2), teachers.size(0)});
  }
  const Tensor log_weights = golden.input("gate_logits").log_softmax(-1);
  return golden.text("gate") == "row"
             ? log_weights.unsqueeze(1).expand({teachers.size(1), teachers.size(2), -1})
             : log_weights;
}

TEST(Mixture, ReproducesTheGoldenEnsembles) {
  int cases = 0;
  for (const GoldenCase& golden : golden_cases("gated_ensemble")) {
    if (golden.text("mix") != "probabilities") continue;
    SCOPED_TRACE(golden.name());
    const Tensor teachers = golden.input("teacher_logits"), mask = golden.input("mask");
    const Tensor log_weights = log_weights_of(golden, teachers);
    std::vector<Tensor> log_probs;
    for (const Tensor& logits : teachers.unbind(0)) log_probs.push_back(logits.log_softmax(-1));
    const Tensor log_p = mixture(log_probs, log_weights);
    const Tensor logits = golden.variable("student_logits"), log_q = logits.log_softmax(-1);
    const Tensor value = golden.text("divergence") == "reverse_kl" ? reverse_kl(log_p, log_q)
                                                                   : forward_kl(log_p, log_q);
    golden.expect("per_token", masked(value, mask));
    const Tensor loss = masked_mean(value, mask);
    golden.expect("loss", loss);
    golden.expect("loss_sequence_mean", masked_sequence_mean(value, mask));
    golden.expect("grad_student_logits", torch::autograd::grad({loss}, {logits})[0]);
    ++cases;
  }
  EXPECT_EQ(cases, 14);
}

TEST(Readout, OfSeveralHeadsMixesTheirProbabilities) {
  torch::manual_seed(3);
  const Readout first{torch::randn({5, 3}), torch::randn({5}), 2.0};
  const Readout second{torch::randn({5, 2}), {}, 2.0};
  const Tensor a = torch::randn({4, 3}), b = torch::randn({4, 2});
  const Tensor log_weights = torch::randn({4, 2}).log_softmax(-1);
  Readout both;
  both.heads = {first, second};
  const Tensor features = torch::cat({a, b, log_weights}, -1);
  const Tensor expected = log_weights.exp().narrow(1, 0, 1) * first.logits(a).softmax(-1) +
                          log_weights.exp().narrow(1, 1, 1) * second.logits(b).softmax(-1);
  EXPECT_LE(largest_difference(both.logits(features).exp(), expected), 1e-6);
  EXPECT_EQ(both.action_count(features), 5);
}

}  // namespace
}  // namespace rl::ops
