#include "rl/action_set.h"

#include <gmock/gmock.h>

#include <cmath>

#include "rl/torch.h"

namespace rl {
namespace {

// Two states over four actions.
Tensor example() {
  return torch::tensor({{0.5, 0.1, 0.35, 0.05}, {0.97, 0.01, 0.01, 0.01}}, torch::kFloat64).log();
}

TEST(TopK, KeepsTheLikeliestFirst) {
  const ActionSet set = top_k(example(), 2);
  EXPECT_TRUE(set.ids[0].equal(torch::tensor({0, 2}, torch::kInt64)));
  EXPECT_NEAR(set.tail_log_prob[0].item<double>(), std::log(0.15), 1e-6);
}

TEST(TopK, RefusesMoreSlotsThanActions) {
  EXPECT_THROW(top_k(example(), 5), std::invalid_argument);
  EXPECT_THROW(top_k(example(), 0), std::invalid_argument);
}

TEST(TopP, LeavesSlotsEmptyWhereFewActionsSuffice) {
  const ActionSet set = top_p(example(), 0.7, 3);
  EXPECT_TRUE(set.ids.equal(torch::tensor({{0, 2, -1}, {0, -1, -1}}, torch::kInt64)));
  EXPECT_NEAR(set.tail_log_prob[1].item<double>(), std::log(0.03), 1e-6);
}

TEST(TopP, AlwaysKeepsOne) {
  EXPECT_EQ(top_p(example(), 1e-9, 4).valid().sum().item<int64_t>(), 2);
}

TEST(TopP, RefusesAMassOutOfRange) {
  EXPECT_THROW(top_p(example(), 0, 2), std::invalid_argument);
  EXPECT_THROW(top_p(example(), 1.5, 2), std::invalid_argument);
}

// The mass outside is far below float32's resolution of 1.
TEST(TopK, KeepsATinyTail) {
  const Tensor log_probs = torch::tensor({{0.0, -40.0, -41.0}}).log_softmax(-1);
  EXPECT_NEAR(top_k(log_probs, 1).tail_log_prob.item<double>(), -40 + std::log1p(std::exp(-1.0)),
              1e-4);
}

TEST(ActionSet, WorksOutItsPriorOnDemand) {
  auto readout = std::make_shared<Readout>(Readout{torch::randn({7, 3}), {}, 2.0});
  const Tensor features = torch::randn({2, 3});
  const ActionSet set{{}, {}, {}, features, readout};
  const Tensor expected = (torch::matmul(features, readout->weight.t()) / 2).log_softmax(-1);
  EXPECT_TRUE(set.dense().prior_log_probs.allclose(expected, 1e-5, 1e-6));
}

TEST(Readout, OfBfloat16FeaturesIsNotRoundedAgain) {
  const Tensor weight = torch::randn({300, 64}).to(torch::kBFloat16).to(torch::kFloat32);
  const Tensor features = 4 * torch::randn({5, 64}).to(torch::kBFloat16);
  const Tensor logits = Readout{weight, {}, 1.0}.logits(features);
  const Tensor expected = torch::matmul(features.to(torch::kFloat32), weight.t());
  EXPECT_LT((logits - expected).abs().max().item<double>(), 1e-3);
  EXPECT_GT((logits - logits.to(torch::kBFloat16)).abs().max().item<double>(), 1e-2);
}

TEST(Including, GivesAnAbsentActionTheLastSlot) {
  const Tensor ids = torch::tensor({3, 0}, torch::kInt64);
  const ActionSet set = including(top_k(example(), 2), ids, example());
  EXPECT_TRUE(slot_of(set, ids).equal(torch::tensor({1, 0}, torch::kInt64)));
  EXPECT_NEAR(set.tail_log_prob[0].item<double>(), std::log(0.45), 1e-6);
  EXPECT_NEAR(set.prior_log_probs[0][1].item<double>(), std::log(0.05), 1e-6);
}

TEST(Including, PrefersAnEmptySlot) {
  const Tensor ids = torch::tensor({1, 2}, torch::kInt64);
  const ActionSet set = including(top_p(example(), 0.7, 3), ids, example());
  EXPECT_TRUE(set.ids.equal(torch::tensor({{0, 2, 1}, {0, 2, -1}}, torch::kInt64)));
}

TEST(Including, LeavesAStateAloneThatHasNothingToInclude) {
  const ActionSet set =
      including(top_k(example(), 2), torch::tensor({-1, -1}, torch::kInt64), example());
  EXPECT_TRUE(set.ids.equal(top_k(example(), 2).ids));
}

TEST(SlotOf, IsMinusOneWhereTheSetLacksTheAction) {
  const ActionSet set = top_p(example(), 0.7, 3);
  EXPECT_TRUE(slot_of(set, torch::tensor({1, 0}, torch::kInt64))
                  .equal(torch::tensor({-1, 0}, torch::kInt64)));
}

}  // namespace
}  // namespace rl
