#include "rl/sampled_set.h"

#include <gmock/gmock.h>

#include <cmath>

#include "rl/check.h"
#include "rl/ops/divergence.h"
#include "rl/ops/masked.h"
#include "rl/random.h"
#include "rl/torch.h"
#include "tests/support/golden.h"

namespace rl {
namespace {

using testing_support::golden_cases;
using testing_support::GoldenCase;
using testing_support::largest_difference;

Tensor row(std::vector<double> values) {
  return torch::tensor(std::move(values), torch::kFloat64).unsqueeze(0);
}

// Cross-entropy to the set's prior, of which the forward KL lacks the entropy.
Tensor cross_entropy(const ActionSet& set, const Tensor& logits) {
  const Tensor log_q =
      logits.log_softmax(-1).gather(-1, set.ids.clamp_min(0)).masked_fill(set.ids < 0, -INFINITY);
  const Tensor log_p = set.prior_log_probs.to(logits.scalar_type());
  const Tensor nothing = torch::full_like(log_q.select(-1, 0), -INFINITY).detach();
  const Tensor entropy = -(log_p.exp() * log_p.masked_fill(log_p.isinf(), 0)).sum(-1);
  return ops::forward_kl(log_p, log_q, nothing, nothing) + entropy;
}

Tensor gradient(const ActionSet& set, const Tensor& probs) {
  const Tensor z = probs.log().clone().requires_grad_();
  cross_entropy(set, z).sum().backward();
  return z.grad();
}

TEST(CountedSet, ReproducesTheGoldenSparseTargets) {
  for (const GoldenCase& golden : golden_cases("sparse_sampled")) {
    const Tensor z = golden.variable("student_logits"), mask = golden.input("mask");
    // The prior of a set is kept in float32, which the float64 form of a case sees.
    if (z.scalar_type() == torch::kFloat64) continue;
    const ActionSet set = counted_set(golden.input("sample_ids"), golden.input("sample_counts"));
    const Tensor values = cross_entropy(set, z);
    const Tensor loss = ops::masked_mean(values, mask);
    golden.expect("per_token", ops::masked(values, mask));
    golden.expect("loss", loss);
    golden.expect("loss_sequence_mean", ops::masked_sequence_mean(values, mask));
    golden.expect_gradients(loss, {{"student_logits", z}});
  }
}

// SP-1 of the notes: 50 draws of five actions.
TEST(CountedSet, MatchesNumbersWorkedByHand) {
  const Tensor q = row({.2, .3, .2, .2, .1});
  const ActionSet set =
      counted_set(torch::tensor({{0, 1, 2, 3, 4}}), torch::tensor({{21, 13, 5, 10, 1}}));
  EXPECT_NEAR(cross_entropy(set, q.log()).item<double>(), 1.517880, 1e-6);
  const double exact = -(row({.4, .3, .15, .1, .05}) * q.log()).sum().item<double>();
  EXPECT_NEAR(exact, 1.522456, 1e-6);
}

// E9 of the notes: the gradient of one draw at the perfect policy, which is 0 in the mean.
TEST(CountedSet, HasTheGradientOfItsShares) {
  const Tensor t = row({.5, .3, .15, .05});
  const ActionSet set = counted_set(torch::tensor({{0, 1, 2, -1}}), torch::tensor({{6, 3, 1, 0}}));
  EXPECT_LE(largest_difference(gradient(set, t), row({-.1, 0, .05, .05})), 1e-6);
}

Tensor draws(int64_t states, int64_t count) {
  const uint64_t key = role_key(1, "test");
  const Tensor state = torch::arange(states).repeat_interleave(count);
  return uniform(key, state, torch::arange(count).repeat({states})).view({states, count});
}

TEST(SampledSet, IsUnbiased) {
  const Tensor t = row({.5, .3, .15, .05});
  const int64_t states = 20000;
  const ActionSet set = sampled_set(t.log().expand({states, 4}), draws(states, 10));
  EXPECT_TRUE(set.valid().any(-1).all().item<bool>());
  const Tensor shares = set.prior_log_probs.exp().to(torch::kFloat64);
  EXPECT_LE((shares.sum(-1) - 1).abs().max().item<double>(), 1e-6);
  // Empty slots go to a column beyond the actions.
  const Tensor place = set.ids.masked_fill(set.ids < 0, 4);
  const Tensor spread = torch::zeros({states, 5}, torch::kFloat64).scatter_add(1, place, shares);
  // Deviation of a mean of 200000 draws: below .0012.
  EXPECT_LE(largest_difference(spread.mean(0).narrow(0, 0, 4), t.squeeze(0)), .005);
  EXPECT_NEAR(set.valid().sum(-1).to(torch::kFloat64).mean().item<double>(), 3.175165, .02);
  EXPECT_LE(gradient(set, t.expand({states, 4})).mean(0).abs().max().item<double>(), .005);
}

TEST(SampledSet, CountsEachActionOnceTheMostFrequentFirst) {
  const Tensor u = row({.1, .97, .2, .6, .3});
  const ActionSet set = sampled_set(row({.5, .3, .15, .05}).log(), u);
  EXPECT_TRUE(set.ids.equal(torch::tensor({{0, 1, 3, -1, -1}}))) << set.ids;
  EXPECT_NEAR(set.prior_log_probs[0][0].item<double>(), std::log(.6), 1e-6);
  EXPECT_TRUE(set.tail_log_prob.isneginf().all().item<bool>());
}

TEST(SampledSet, NeverDrawsWhatIsImpossible) {
  const Tensor log_probs = row({0, .5, 0, .5, 0}).log();
  const ActionSet set = sampled_set(log_probs, row({0, .25, .5, .75, 1 - 1e-16}));
  for (const int64_t id : {0, 2, 4}) EXPECT_FALSE(set.ids.eq(id).any().item<bool>());
}

TEST(CountedSet, RefusesShapesThatDiffer) {
  EXPECT_THROW(counted_set(torch::tensor({{0, 1}}), torch::tensor({{1}})), ShapeError);
}

}  // namespace
}  // namespace rl
