#include <gmock/gmock.h>

#include <map>

#include "distill/components/components.h"
#include "rl/losses/contrast.h"
#include "rl/ops/divergence.h"
#include "rl/torch.h"
#include "tests/support/golden.h"

namespace distill {
namespace {

using rl::Opinion;
using rl::Tensor;
using testing_support::largest_difference;

Tensor row(std::vector<double> values) {
  return torch::tensor(std::move(values), torch::kFloat64).to(torch::kFloat32).unsqueeze(0);
}

// One state, on all actions.
Opinion opinion(const Tensor& prior, const Tensor& logits,
                const std::map<std::string, Tensor>& notes = {}) {
  return {logits, {{}, prior.log_softmax(-1), {}, {}, nullptr}, torch::tensor({0}), notes};
}

double value(const ComponentSpec& term, const Opinion& of) {
  return make_reward_term(term)(of).item<double>();
}

const Tensor kPrior = row({.7, .2, .1}).log(), kPolicy = row({.5, .25, .25}).log();

// Worked by hand: the probabilities (.7, .2, .1) and (.5, .25, .25).
TEST(RewardTerms, MatchTheSharedTable) {
  const std::map<std::string, double> table = {{"akl", (.099273 + .116622) / 2},
                                               {"alpha_beta", .128457},
                                               {"forward_kl", .099273},
                                               {"jsd", .026368},
                                               {"log_likelihood", -.693147},
                                               {"reverse_kl", .116622},
                                               {"skew_kl", .082046},
                                               {"skew_reverse_kl", .090003},
                                               {"total_variation", .2}};
  for (const auto& [name, expected] : table) {
    EXPECT_NEAR(value(name, opinion(kPrior, kPolicy)), expected, 2e-6) << name;
  }
}

TEST(RewardTerms, DetachTheMixtureWhereAsked) {
  const auto gradient = [](bool detach_mixture) {
    const Tensor z = kPolicy.clone().requires_grad_();
    const ComponentSpec term("skew_reverse_kl", Options{{"detach_mixture", detach_mixture}});
    return torch::autograd::grad({make_reward_term(term)(opinion(kPrior, z)).sum()}, {z})[0];
  };
  EXPECT_LE(largest_difference(gradient(false), row({-.174708, .027024, .147684})), 2e-6);
  EXPECT_LE(largest_difference(gradient(true), row({-.198744, .027112, .171632})), 2e-6);
}

TEST(RewardTerms, CompareAtTemperaturesOfBothSides) {
  // The judge divides the teacher's logits; here they are given as they then are.
  const Options options{
      {"teacher_temperature", 2.0}, {"student_temperature", 2.0}, {"scale_by_t2", true}};
  EXPECT_NEAR(value({"forward_kl", options}, opinion(kPrior / 2, kPolicy)), .123895, 2e-6);
  EXPECT_NEAR(value({"alpha_beta", Options{{"alpha", 1.0},
                                           {"beta", 0.0},
                                           {"student_temperature", 2.0},
                                           {"scale_by_t2", true},
                                           {"teacher_temperature", 2.0}}},
                    opinion(kPrior / 2, kPolicy)),
              .123895, 2e-6);
}

TEST(RewardTerms, LumpWhatLiesOutsideAReducedSet) {
  const rl::ActionSet set = rl::top_k(kPrior, 1);
  const Opinion reduced(kPolicy, set, torch::tensor({0}));
  const Tensor p = row({.7, .3}).log(), q = row({.5, .5}).log();
  EXPECT_NEAR(value("akl", reduced), rl::ops::akl(p, q, .5).item<double>(), 1e-6);
  EXPECT_NEAR(value("alpha_beta", reduced), rl::ops::alpha_beta(p, q, .2, .7).item<double>(), 1e-6);
  EXPECT_NEAR(value("skew_kl", reduced), rl::ops::skew_kl(p, q, .1).item<double>(), 1e-6);
}

TEST(RewardTerms, TakeTheShareOfTheMixtureThatWasNotedDown) {
  const std::map<std::string, Tensor> notes = {{rl::kSkewNote, torch::tensor({.3F})}};
  const Opinion noted = opinion(kPrior, kPolicy, notes);
  EXPECT_NEAR(value("skew_kl", noted), rl::ops::skew_kl(kPrior, kPolicy, .3).item<double>(), 1e-6);
  EXPECT_NEAR(value("skew_reverse_kl", noted),
              rl::ops::skew_reverse_kl(kPrior, kPolicy, .3, false).item<double>(), 1e-6);
}

// RK-1 of the notes.
TEST(RewardTerms, RankTheTokensThatEitherSideFindsLikely) {
  const Opinion of = opinion(row({3.0, 2.5, 1.0, -1.0, -2.0}), row({2.2, 2.6, .5, .9, -1.5}));
  const Options k{{"k", 3}};
  EXPECT_NEAR(value({"ranking", k}, of), .174616, 2e-6);
  EXPECT_NEAR(value({"overlapping", k}, of), 2. / 3 * .155051, 2e-6);
}

}  // namespace
}  // namespace distill
