#include "rl/ops/divergence.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include "rl/check.h"
#include "rl/ops/masked.h"
#include "rl/safetensors.h"
#include "rl/torch.h"
#include "tests/support/golden.h"

namespace rl::ops {
namespace {

using testing_support::fixture;
using testing_support::golden_cases;
using testing_support::GoldenCase;
using testing_support::largest_difference;
using testing_support::read_json;

using Kind = Divergence::Kind;

const double kInf = std::numeric_limits<double>::infinity();

// Log-probabilities on a set, and of what lies outside.
struct OnSet {
  Tensor log_probs, tail;
};

OnSet on_set(const Tensor& log_probs, const Tensor& ids) {
  const int64_t actions = log_probs.size(-1);
  const Tensor empty = ids.lt(0);
  auto sizes = ids.sizes().vec();
  sizes.back() = actions + 1;
  const Tensor inside = torch::zeros(sizes, torch::kBool)
                            .scatter(-1, ids.masked_fill(empty, actions), true)
                            .narrow(-1, 0, actions);
  OnSet set{log_probs.gather(-1, ids.clamp_min(0)).masked_fill(empty, -kInf), {}};
  if (!inside.all().item<bool>()) set.tail = log_probs.masked_fill(inside, kLogZero).logsumexp(-1);
  return set;
}

Tensor tensor(std::vector<double> values) { return torch::tensor(values, torch::kFloat64); }
Tensor log_softmax(const Tensor& logits) { return torch::log_softmax(logits, -1); }
Tensor log_softmax(std::vector<double> logits) { return log_softmax(tensor(std::move(logits))); }

#define EXPECT_TENSOR_NEAR(found, expected, tolerance) \
  EXPECT_LE(largest_difference(found, expected), tolerance) << found

Divergence divergence_of(const GoldenCase& golden, const std::string& kind) {
  Divergence divergence;
  if (kind == "forward_kl") divergence.kind = Kind::forward_kl;
  if (kind == "reverse_kl") divergence.kind = Kind::reverse_kl;
  if (kind == "jsd") divergence.kind = Kind::jsd;
  if (kind == "tvd") divergence.kind = Kind::total_variation;
  if (kind == "skew_forward_kl") divergence.kind = Kind::skew_kl;
  if (kind == "skew_reverse_kl") divergence.kind = Kind::skew_reverse_kl;
  if (kind == "alpha_beta") divergence.kind = Kind::alpha_beta;
  if (kind == "akl") divergence.kind = Kind::akl;
  divergence.beta = golden.number("beta", 0.5);
  divergence.mu = golden.number("mu", 0.5);
  divergence.scale = golden.flag("scale", false);
  divergence.alpha = golden.number("alpha", 0.1);
  divergence.detach_mixture =
      golden.params().contains("mixture") && golden.text("mixture") == "detached";
  return divergence;
}

void check_full(const std::string& objective, const std::string& kind = "") {
  for (const GoldenCase& golden : golden_cases(objective)) {
    const double tau_p = golden.number("temperature_teacher", 1);
    const double tau_q = golden.number("temperature_student", 1);
    const Tensor z = golden.variable("student_logits");
    const Tensor mask = golden.input("mask");
    const Tensor log_p = log_softmax(golden.input("teacher_logits") / tau_p);
    const double factor = golden.flag("scale_by_t2", false) ? tau_p * tau_q : 1;
    const Divergence divergence = divergence_of(golden, kind.empty() ? golden.text("kind") : kind);
    const Tensor values =
        factor * evaluate(divergence, {log_p, log_softmax(z / tau_q), {}, {}, {}});
    const Tensor loss = masked_mean(values, mask);
    golden.expect("per_token", masked(values, mask));
    golden.expect("loss", loss);
    golden.expect("loss_sequence_mean", masked_sequence_mean(values, mask));
    golden.expect_gradients(loss, {{"student_logits", z}});
  }
}

TEST(Divergences, ReproduceTheGoldenForwardKl) { check_full("forward_kl"); }
TEST(Divergences, ReproduceTheGoldenReverseKl) { check_full("reverse_kl"); }
TEST(Divergences, ReproduceTheGoldenJsd) { check_full("jsd"); }
TEST(Divergences, ReproduceTheGoldenTotalVariation) { check_full("tvd"); }
TEST(Divergences, ReproduceTheGoldenSkewKl) { check_full("skew_forward_kl"); }
TEST(Divergences, ReproduceTheGoldenSkewReverseKl) { check_full("skew_reverse_kl"); }

TEST(Divergences, ReproduceTheGoldenAlphaBeta) { check_full("alpha_beta"); }
TEST(Divergences, ReproduceTheGoldenAkl) { check_full("akl", "akl"); }

TEST(Divergences, ReproduceTheGoldenNegativeLogLikelihood) {
  // The forward KL to a distribution that is certain is the negative log-likelihood.
  for (const GoldenCase& golden : golden_cases("sft_nll")) {
    const Tensor z = golden.variable("student_logits");
    const Tensor mask = golden.input("mask");
    const Tensor log_p =
        torch::full_like(z, -kInf).detach().scatter(-1, golden.input("tokens").unsqueeze(-1), 0);
    const Tensor values = forward_kl(log_p, log_softmax(z));
    const Tensor loss = masked_mean(values, mask);
    golden.expect("per_token", masked(values, mask));
    golden.expect("loss", loss);
    golden.expect("loss_sequence_mean", masked_sequence_mean(values, mask));
    golden.expect_gradients(loss, {{"student_logits", z}});
  }
}

TEST(CompareOnSet, ReproducesTheGoldenConventions) {
  const std::map<std::string, Tail> conventions = {
      {"lump", Tail::lump},
      {"drop", Tail::drop},
      {"support", Tail::support},
      {"truncated", Tail::truncated},
      {"teacher_renormalised", Tail::teacher_renormalised}};
  for (const GoldenCase& golden : golden_cases("topk_divergence")) {
    const Tensor z = golden.variable("student_logits");
    const Tensor mask = golden.input("mask");
    const Tensor ids = golden.input("action_set");
    const OnSet p = on_set(log_softmax(golden.input("teacher_logits")), ids);
    const OnSet q = on_set(log_softmax(z), ids);
    const Tensor values = evaluate(divergence_of(golden, golden.text("divergence")),
                                   compare_on_set(p.log_probs, q.log_probs, p.tail, q.tail,
                                                  conventions.at(golden.text("convention"))));
    const Tensor loss = masked_mean(values, mask);
    golden.expect("per_token", masked(values, mask));
    golden.expect("loss", loss);
    golden.expect("loss_sequence_mean", masked_sequence_mean(values, mask));
    golden.expect_gradients(loss, {{"student_logits", z}});
  }
}

TEST(Divergences, ReproduceTrlsLosses) {
  const SafetensorsFile file(fixture("kd-loss/kd-loss.safetensors"));
  const Tensor labelled = file.tensor("labels").ne(-100);
  for (const auto& entry : read_json("kd-loss/kd-loss.json")) {
    const std::string i = std::to_string(entry.at("i").get<int>());
    SCOPED_TRACE(entry.dump());
    const double beta = entry.at("beta"), temperature = entry.at("temperature");
    const Tensor z = file.tensor("student").clone().requires_grad_();
    const Tensor log_p = log_softmax(file.tensor("teacher") / temperature);
    const Tensor log_q = log_softmax(z / temperature);
    const Tensor values = beta == 0   ? forward_kl(log_p, log_q)
                          : beta == 1 ? reverse_kl(log_p, log_q)
                                      : generalized_jsd(log_p, log_q, beta, false);
    const Tensor mask = entry.at("labels") ? labelled : torch::ones_like(labelled);
    const Tensor sum = masked_sum(values, mask);
    const std::string reduction = entry.at("reduction");
    Tensor loss = sum;
    if (entry.at("num_items")) {
      loss = sum / file.tensor("num_items");
    } else if (reduction == "mean") {
      loss = sum / (mask.sum() * z.size(-1));
    } else if (reduction == "batchmean") {
      loss = entry.at("labels") ? sum / mask.sum() : sum / z.size(0);
    }
    loss = loss.reshape({});
    EXPECT_NEAR(loss.item<double>(), entry.at("loss").get<double>(),
                1e-5 * std::abs(entry.at("loss").get<double>()) + 2e-6);
    const Tensor gradient = torch::autograd::grad({loss}, {z})[0];
    const Tensor expected = file.tensor("grad." + i);
    // 120 nats apart: float32 logits are known to 1e-5 there, and gradients are sums of such.
    EXPECT_TRUE(gradient.allclose(expected, 1e-4, 2e-5)) << largest_difference(gradient, expected);
  }
}

// Worked by hand: one state, three actions (E1 of the notes on distillation).
TEST(GeneralizedJsd, MatchesNumbersWorkedByHand) {
  const Tensor log_p = log_softmax({2, 1, 0});
  struct Row {
    double beta, value;
    std::vector<double> gradient;
  };
  const std::vector<Row> rows = {{0, .270525, {-.358045, .261752, .096293}},
                                 {.1, .024101, {-.031281, .022868, .008413}},
                                 {.5, .065599, {-.080674, .058978, .021697}},
                                 {.9, .023823, {-.028584, .020897, .007687}},
                                 {1, .266542, {-.319240, .233383, .085857}}};
  for (const Row& row : rows) {
    const Tensor z = tensor({1, 1.5, .5}).requires_grad_();
    const bool end = row.beta == 0 || row.beta == 1;
    const Tensor value = generalized_jsd(log_p, log_softmax(z), row.beta, /*scale=*/end);
    value.backward();
    EXPECT_NEAR(value.item<double>(), row.value, 1e-6);
    EXPECT_TENSOR_NEAR(z.grad(), tensor(row.gradient), 1e-6);
  }
  EXPECT_NEAR(total_variation(log_p, log_softmax({1, 1.5, .5})).item<double>(), .358045, 1e-6);
}

TEST(GeneralizedJsd, ApproachesTheKlsWhenScaled) {
  const Tensor log_p = log_softmax({2, 1, 0}), log_q = log_softmax({1, 1.5, .5});
  const auto scaled = [&](double beta) {
    return generalized_jsd(log_p, log_q, beta, true).item<double>();
  };
  EXPECT_NEAR(scaled(1e-4), scaled(0), 1e-4);
  EXPECT_NEAR(scaled(1 - 1e-4), scaled(1), 1e-4);
  EXPECT_DOUBLE_EQ(scaled(0), forward_kl(log_p, log_q).item<double>());
  EXPECT_DOUBLE_EQ(scaled(1), reverse_kl(log_p, log_q).item<double>());
  EXPECT_NEAR(generalized_jsd(log_p, log_q, 1e-4, false).item<double>() / 1e-4, .270495, 1e-6);
}

TEST(GeneralizedJsd, IsSymmetricUnderExchange) {
  const Tensor log_p = log_softmax({2, 1, 0}), log_q = log_softmax({1, 1.5, .5});
  EXPECT_NEAR(generalized_jsd(log_p, log_q, .3, false).item<double>(),
              generalized_jsd(log_q, log_p, .7, false).item<double>(), 1e-12);
}

TEST(GeneralizedJsd, RefusesABetaOutOfRange) {
  const Tensor p = log_softmax({1, 0});
  EXPECT_THROW(generalized_jsd(p, p, 0, false), std::invalid_argument);
  EXPECT_THROW(generalized_jsd(p, p, 1, false), std::invalid_argument);
  EXPECT_THROW(generalized_jsd(p, p, 1.5, true), std::invalid_argument);
  EXPECT_THROW(generalized_jsd(p, p, std::nan(""), true), std::invalid_argument);
}

TEST(SkewKl, StaysBelowItsBound) {
  const Tensor log_p = log_softmax({90, 0}), log_q = log_softmax({0, 90});
  EXPECT_NEAR(skew_kl(log_p, log_q, .1).item<double>(), -std::log(.1), 1e-9);
  EXPECT_NEAR(skew_reverse_kl(log_p, log_q, .1, false).item<double>(), -std::log(.1), 1e-9);
}

TEST(SkewKl, IsTheKlAtZero) {
  const Tensor log_p = log_softmax({2, 1, 0}), log_q = log_softmax({1, 1.5, .5});
  EXPECT_TRUE(skew_kl(log_p, log_q, 0).equal(forward_kl(log_p, log_q)));
  EXPECT_TRUE(skew_reverse_kl(log_p, log_q, 0, false).equal(reverse_kl(log_p, log_q)));
}

TEST(SkewKl, RefusesAnAlphaOutOfRange) {
  const Tensor p = log_softmax({1, 0});
  EXPECT_THROW(skew_kl(p, p, 1), std::invalid_argument);
  EXPECT_THROW(skew_kl(p, p, -.1), std::invalid_argument);
  EXPECT_THROW(skew_reverse_kl(p, p, 1, true), std::invalid_argument);
}

// A trajectory of three steps, four actions (E2 of the notes).
const std::vector<std::vector<double>> kTeacher = {{2, 1, 0, -1}, {.5, 1.5, 0, 0}, {0, 0, .5, 2.5}};
const std::vector<std::vector<double>> kStudent = {
    {1, 1.5, 0, -.5}, {0, 1, .5, 0}, {.5, 0, 0, 1.5}};

Tensor matrix(const std::vector<std::vector<double>>& rows) {
  std::vector<Tensor> tensors;
  for (const auto& row : rows) tensors.push_back(tensor(row));
  return torch::stack(tensors);
}

TEST(Divergences, MatchASequenceWorkedByHand) {
  const Tensor log_p = log_softmax(matrix(kTeacher)), log_q = log_softmax(matrix(kStudent));
  const Tensor taken = torch::tensor({{0}, {1}, {3}});
  EXPECT_TENSOR_NEAR(log_p.gather(-1, taken).squeeze(-1), tensor({-.440190, -.595611, -.261984}),
                     1e-6);
  EXPECT_TENSOR_NEAR(log_q.gather(-1, taken).squeeze(-1), tensor({-1.175490, -.851129, -.595611}),
                     1e-6);
  EXPECT_TENSOR_NEAR(forward_kl(log_p, log_q), tensor({.244744, .071025, .123640}), 1e-6);
  EXPECT_TENSOR_NEAR(reverse_kl(log_p, log_q), tensor({.244922, .081960, .155042}), 1e-6);
  EXPECT_TENSOR_NEAR(generalized_jsd(log_p, log_q, .1, false), tensor({.021845, .006457, .011283}),
                     1e-6);
  EXPECT_TENSOR_NEAR(generalized_jsd(log_p, log_q, .5, false), tensor({.059831, .018822, .033622}),
                     1e-6);
  EXPECT_TENSOR_NEAR(generalized_jsd(log_p, log_q, .9, false), tensor({.021855, .007231, .013459}),
                     1e-6);
}

TEST(Divergences, AverageOverTokensOrOverSequences) {
  const Tensor log_p = log_softmax(matrix(kTeacher)), log_q = log_softmax(matrix(kStudent));
  const Tensor jsd = generalized_jsd(log_p, log_q, .9, false);
  // The sequence, and one of length 1 that equals its first step.
  const Tensor values = torch::stack({jsd, jsd});
  const Tensor mask = torch::tensor({{1, 1, 1}, {1, 0, 0}});
  EXPECT_NEAR(masked_mean(values, mask).item<double>(), .016100, 1e-6);
  EXPECT_NEAR(masked_sequence_mean(values, mask).item<double>(), .018019, 1e-6);
  EXPECT_NEAR(masked_mean(values[0], mask[0]).item<double>(), .014182, 1e-6);
}

TEST(CompareOnSet, MatchesATableWorkedByHand) {
  const Tensor log_p = log_softmax(matrix(kTeacher)), log_q = log_softmax(matrix(kStudent));
  const Tensor ids = torch::tensor({{0, 1}, {1, 0}, {3, 2}});
  const OnSet p = on_set(log_p, ids), q = on_set(log_q, ids);
  EXPECT_TENSOR_NEAR(p.log_probs.exp().sum(-1), tensor({.880797, .754010, .873667}), 1e-6);
  EXPECT_TENSOR_NEAR(q.log_probs.exp().sum(-1), tensor({.817574, .583992, .674220}), 1e-6);
  const auto value = [&](Kind kind, Tail tail) {
    return evaluate({.kind = kind}, compare_on_set(p.log_probs, q.log_probs, p.tail, q.tail, tail));
  };
  EXPECT_TENSOR_NEAR(value(Kind::reverse_kl, Tail::drop), tensor({.272874, 0, .016727}), 1e-6);
  EXPECT_TENSOR_NEAR(value(Kind::reverse_kl, Tail::lump), tensor({.239822, .069355, .145170}),
                     1e-6);
  EXPECT_TENSOR_NEAR(value(Kind::forward_kl, Tail::drop), tensor({.257403, 0, .014884}), 1e-6);
  EXPECT_TENSOR_NEAR(value(Kind::forward_kl, Tail::lump), tensor({.241604, .063417, .119733}),
                     1e-6);
  EXPECT_TENSOR_NEAR(value(Kind::forward_kl, Tail::support),
                     tensor({.257403 + .201413, .537867, .014884 + .394198}), 2e-6);
}

TEST(CompareOnSet, WithATailIsNeverAboveTheFullDivergence) {
  torch::manual_seed(1);
  const Tensor log_p = log_softmax(3 * torch::randn({50, 12}, torch::kFloat64));
  const Tensor log_q = log_softmax(3 * torch::randn({50, 12}, torch::kFloat64));
  const Tensor ids = std::get<1>(log_p.topk(3));
  const OnSet p = on_set(log_p, ids), q = on_set(log_q, ids);
  const Comparison lumped = compare_on_set(p.log_probs, q.log_probs, p.tail, q.tail, Tail::lump);
  for (const Kind kind : {Kind::forward_kl, Kind::reverse_kl, Kind::jsd, Kind::skew_kl,
                          Kind::skew_reverse_kl, Kind::total_variation}) {
    const Tensor full = evaluate({.kind = kind}, {log_p, log_q, {}, {}, {}});
    EXPECT_TRUE(evaluate({.kind = kind}, lumped).le(full + 1e-12).all().item<bool>());
  }
}

TEST(CompareOnSet, SupportEqualsTeacherRenormalisedForTheForwardKl) {
  const Tensor log_p = log_softmax(matrix(kTeacher)), log_q = log_softmax(matrix(kStudent));
  const Tensor ids = torch::tensor({{0, 1}, {1, -1}, {3, 2}});
  const OnSet p = on_set(log_p, ids), q = on_set(log_q, ids);
  const auto value = [&](Tail tail) {
    return evaluate({}, compare_on_set(p.log_probs, q.log_probs, p.tail, q.tail, tail));
  };
  EXPECT_TENSOR_NEAR(value(Tail::support), value(Tail::teacher_renormalised), 1e-12);
}

// The gradients of four conventions at the perfect policy: only a further action for the rest leaves
// it where it is (E9 of the notes).
TEST(CompareOnSet, OnlyTheTailLeavesAPerfectPolicyAlone) {
  const Tensor t = tensor({.5, .3, .15, .05});
  const Tensor ids = torch::tensor({0, 1});
  const auto gradient = [&](Tail tail) {
    const Tensor z = t.log().clone().requires_grad_();
    const OnSet p = on_set(t.log(), ids), q = on_set(log_softmax(z), ids);
    evaluate({}, compare_on_set(p.log_probs, q.log_probs, p.tail, q.tail, tail)).backward();
    return z.grad();
  };
  EXPECT_TENSOR_NEAR(gradient(Tail::teacher_renormalised), tensor({-.125, -.075, .15, .05}), 1e-9);
  EXPECT_TENSOR_NEAR(gradient(Tail::support), tensor({-.125, -.075, .15, .05}), 1e-9);
  EXPECT_TENSOR_NEAR(gradient(Tail::truncated), tensor({-.1, -.06, .12, .04}), 1e-9);
  EXPECT_TENSOR_NEAR(gradient(Tail::lump), tensor({0, 0, 0, 0}), 1e-9);
  EXPECT_TENSOR_NEAR(gradient(Tail::drop), tensor({0, 0, 0, 0}), 1e-9);
}

TEST(CompareOnSet, GivesTheTailTheGradientOfItsMass) {
  const Tensor t = tensor({.5, .3, .15, .05});
  const Tensor z = tensor({.4, .35, .1, .15}).log().requires_grad_();
  const Tensor ids = torch::tensor({0, 1});
  const OnSet p = on_set(t.log(), ids), q = on_set(log_softmax(z), ids);
  const Tensor value =
      evaluate({}, compare_on_set(p.log_probs, q.log_probs, p.tail, q.tail, Tail::lump));
  value.backward();
  EXPECT_NEAR(value.item<double>(), .020698, 1e-6);
  EXPECT_TENSOR_NEAR(z.grad(), tensor({-.1, .05, .02, .03}), 1e-9);
}

// Minimising a divergence is an all-action policy gradient: dD/dz_j = -q_j (A_j - sum_a q_a A_a).
TEST(Divergences, HaveTheGradientOfTheirAdvantages) {
  torch::manual_seed(2);
  const double alpha = .2, beta = .3;
  using Advantage = std::function<Tensor(const Tensor& p, const Tensor& q)>;
  const auto forward_mixture = [=](const Tensor& p, const Tensor& q) {
    return alpha * p + (1 - alpha) * q;
  };
  const auto reverse_mixture = [=](const Tensor& p, const Tensor& q) {
    return (1 - alpha) * p + alpha * q;
  };
  const std::vector<std::pair<Divergence, Advantage>> table = {
      {{.kind = Kind::forward_kl}, [](const Tensor& p, const Tensor& q) { return p / q; }},
      {{.kind = Kind::reverse_kl}, [](const Tensor& p, const Tensor& q) { return (p / q).log(); }},
      {{.kind = Kind::total_variation},
       [](const Tensor& p, const Tensor& q) { return .5 * (p - q).sign(); }},
      {{.kind = Kind::jsd, .beta = beta},
       [=](const Tensor& p, const Tensor& q) {
         return (1 - beta) * ((beta * p + (1 - beta) * q) / q).log();
       }},
      {{.kind = Kind::skew_kl, .alpha = alpha},
       [=](const Tensor& p, const Tensor& q) { return (1 - alpha) * p / forward_mixture(p, q); }},
      {{.kind = Kind::skew_reverse_kl, .alpha = alpha},
       [=](const Tensor& p, const Tensor& q) {
         const Tensor m = reverse_mixture(p, q);
         return (m / q).log() + alpha * q / m;
       }},
      {{.kind = Kind::skew_reverse_kl, .alpha = alpha, .detach_mixture = true},
       [=](const Tensor& p, const Tensor& q) { return (reverse_mixture(p, q) / q).log(); }},
      {{.kind = Kind::alpha_beta, .beta = .7, .alpha = alpha},
       [=](const Tensor& p, const Tensor& q) {
         return q.pow(.7 - 1) * (p.pow(alpha) - q.pow(alpha)) / alpha;
       }},
      {{.kind = Kind::alpha_beta, .beta = -.4, .alpha = .4},
       [](const Tensor& p, const Tensor& q) { return q.pow(-1.4) * (p.pow(.4) - q.pow(.4)) / .4; }},
      {{.kind = Kind::alpha_beta, .beta = .7, .alpha = 0},
       [](const Tensor& p, const Tensor& q) { return q.pow(-.3) * (p / q).log(); }},
  };
  for (const auto& [divergence, advantage] : table) {
    SCOPED_TRACE(static_cast<int>(divergence.kind));
    const Tensor log_p = log_softmax(2 * torch::randn({20, 9}, torch::kFloat64));
    const Tensor z = (2 * torch::randn({20, 9}, torch::kFloat64)).requires_grad_();
    const Tensor value = evaluate(divergence, {log_p, log_softmax(z), {}, {}, {}}).sum();
    const Tensor gradient = torch::autograd::grad({value}, {z})[0];
    const Tensor q = torch::softmax(z.detach(), -1);
    const Tensor a = advantage(log_p.exp(), q);
    EXPECT_TENSOR_NEAR(gradient, -q * (a - (q * a).sum(-1, true)), 1e-10);
    const Tensor surrogate = -(q * a * log_softmax(z)).sum();
    EXPECT_TENSOR_NEAR(torch::autograd::grad({surrogate}, {z})[0], gradient, 1e-10);
  }
}

// Worked by hand: the probabilities (.7, .2, .1) and (.5, .25, .25), whose logits are their logarithms.
TEST(Divergences, MatchTheSharedTableOfValuesAndGradients) {
  const Tensor log_p = tensor({.7, .2, .1}).log();
  struct Row {
    Divergence divergence;
    double value;
    std::vector<double> gradient;
  };
  const std::vector<double> fkl = {-.2, .05, .15}, rkl = {-.226547, .026630, .199917};
  const auto ab = [](double alpha, double beta) {
    return Divergence{.kind = Kind::alpha_beta, .beta = beta, .alpha = alpha};
  };
  const Divergence detached{.kind = Kind::skew_reverse_kl, .detach_mixture = true};
  const std::vector<Row> rows = {
      {{.kind = Kind::forward_kl}, .099273, fkl},
      {{.kind = Kind::reverse_kl}, .116622, rkl},
      {{.kind = Kind::total_variation}, .2, {-.25, .125, .125}},
      {{.kind = Kind::jsd, .beta = .5}, .026368, {-.051667, .010127, .041541}},
      {{.kind = Kind::jsd, .beta = .1}, .009023, {-.018058, .004341, .013717}},
      {{.kind = Kind::skew_kl}, .082046, {-.163176, .037623, .125552}},
      {{.kind = Kind::skew_reverse_kl}, .090003, {-.174708, .027024, .147684}},
      {detached, .090003, {-.198744, .027112, .171632}},
      {ab(1, 0), .099273, fkl},
      {ab(0, 1), .116622, rkl},
      {ab(.2, .7), .128457, {-.244810, .033525, .211285}},
      {ab(.5, .5), .106685, {-.209887, .039451, .170437}},
      {ab(0, 0), .501298, {-.737953, .022403, .715550}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.value);
    const Tensor z = tensor({.5, .25, .25}).log().requires_grad_();
    const Tensor value = evaluate(row.divergence, {log_p, log_softmax(z), {}, {}, {}});
    value.backward();
    EXPECT_NEAR(value.item<double>(), row.value, 1e-6);
    EXPECT_TENSOR_NEAR(z.grad(), tensor(row.gradient), 1e-6);
  }
}

// The limits carry the squares of the exponents: with the first powers alone these would be .123618 and
// .223159.
TEST(AlphaBeta, IsContinuousIntoItsLimits) {
  const Tensor log_p = tensor({.7, .2, .1}).log(), log_q = tensor({.5, .25, .25}).log();
  const auto value = [&](double alpha, double beta) {
    return alpha_beta(log_p, log_q, alpha, beta).item<double>();
  };
  EXPECT_NEAR(value(0, .7), .176597, 1e-6);
  EXPECT_NEAR(value(.5, -.5), .446319, 1e-6);
  for (const double step : {1e-3, 1e-5, 1e-9, -1e-5}) {
    EXPECT_NEAR(value(step, .7), value(0, .7), 2 * std::abs(step));
    EXPECT_NEAR(value(.6, step), value(.6, 0), 2 * std::abs(step));
    EXPECT_NEAR(value(.5, -.5 + step), value(.5, -.5), 2 * std::abs(step));
    EXPECT_NEAR(value(step, step), value(0, 0), 2 * std::abs(step));
  }
  const auto in_float32 = [&](double alpha, double beta) {
    return alpha_beta(log_p.to(torch::kFloat32), log_q.to(torch::kFloat32), alpha, beta)
        .item<double>();
  };
  EXPECT_NEAR(in_float32(1e-6, .7), value(0, .7), 2e-6);
}

TEST(AlphaBeta, ExchangesItsSidesWithItsExponents) {
  const Tensor log_p = log_softmax({2, 1, 0}), log_q = log_softmax({1, 1.5, .5});
  EXPECT_NEAR(alpha_beta(log_p, log_q, .3, .9).item<double>(),
              alpha_beta(log_q, log_p, .9, .3).item<double>(), 1e-12);
}

TEST(AlphaBeta, RefusesExponentsThatAreNotFinite) {
  const Tensor p = log_softmax({1, 0});
  EXPECT_THROW(alpha_beta(p, p, std::nan(""), 1), std::invalid_argument);
  EXPECT_THROW(alpha_beta(p, p, 1, kInf), std::invalid_argument);
}

// AKL-1: worked by hand; the weights are .214286 and .785714.
TEST(Akl, WeighsTheDirectionsByWhereTheDifferenceLies) {
  const Tensor log_p = tensor({.45, .3, .15, .1}).log();
  const Tensor z = tensor({.3, .1, .2, .4}).log().requires_grad_();
  EXPECT_NEAR(forward_kl(log_p, log_softmax(z)).item<double>(), .330261, 1e-6);
  EXPECT_NEAR(reverse_kl(log_p, log_softmax(z)).item<double>(), .380553, 1e-6);
  const Tensor value = akl(log_p, log_softmax(z), .5);
  value.backward();
  EXPECT_NEAR(value.item<double>(), .369777, 1e-6);
  EXPECT_TENSOR_NEAR(z.grad(), tensor({-.217419, -.159077, -.003880, .380376}), 1e-6);
}

TEST(Akl, HasTheGradientOfItsAdvantagesWithConstantWeights) {
  const Tensor log_p = tensor({.1, .45, .15, .3}).log();  // not in order
  const Tensor z = tensor({.4, .3, .2, .1}).log().requires_grad_();
  akl(log_p, log_softmax(z), .5).backward();
  const Tensor p = log_p.exp(), q = z.detach().exp();
  const double w = .214286;
  const Tensor a = w * p / q + (1 - w) * (p / q).log();
  EXPECT_TENSOR_NEAR(z.grad(), -q * (a - (q * a).sum()), 1e-6);
}

TEST(Akl, CountsTheLikeliestActionToTheHeadWhateverItsMass) {
  const Tensor log_p = tensor({.9, .05, .03, .02}).log(), log_q = tensor({.4, .3, .2, .1}).log();
  // One action against the rest: their differences are equal.
  EXPECT_NEAR(akl(log_p, log_q, 0).item<double>(),
              (forward_kl(log_p, log_q) + reverse_kl(log_p, log_q)).item<double>() / 2, 1e-12);
  EXPECT_NEAR(akl(log_p, log_q, 1).item<double>(), forward_kl(log_p, log_q).item<double>(), 1e-12);
}

TEST(Akl, RefusesAMassOutOfRange) {
  const Tensor p = log_softmax({1, 0});
  EXPECT_THROW(akl(p, p, 1.5), std::invalid_argument);
  EXPECT_THROW(akl(p, p, -.1), std::invalid_argument);
}

TEST(Divergences, LetGradientsFlowIntoBothSides) {
  const Tensor p = tensor({2, 1, 0}).requires_grad_(), q = tensor({1, 1.5, .5}).requires_grad_();
  reverse_kl(log_softmax(p), log_softmax(q)).backward();
  const Tensor from_reverse = p.grad().clone();
  // D(q || p) differentiated in p is D(p' || q') with the roles exchanged.
  const Tensor z = tensor({2, 1, 0}).requires_grad_();
  forward_kl(log_softmax({1, 1.5, .5}), log_softmax(z)).backward();
  EXPECT_TENSOR_NEAR(from_reverse, z.grad(), 1e-12);
}

const std::vector<Divergence> kAll = {{.kind = Kind::forward_kl},
                                      {.kind = Kind::reverse_kl},
                                      {.kind = Kind::jsd, .beta = .1},
                                      {.kind = Kind::jsd, .beta = .9, .scale = true},
                                      {.kind = Kind::skew_kl},
                                      {.kind = Kind::skew_reverse_kl},
                                      {.kind = Kind::skew_reverse_kl, .detach_mixture = true},
                                      {.kind = Kind::total_variation},
                                      {.kind = Kind::alpha_beta, .beta = .7, .alpha = .2},
                                      {.kind = Kind::alpha_beta, .beta = -.5, .alpha = .5},
                                      {.kind = Kind::alpha_beta, .beta = 0, .alpha = 0},
                                      {.kind = Kind::alpha_beta, .beta = -1, .alpha = .3},
                                      {.kind = Kind::akl}};
const std::vector<Tail> kTails = {Tail::lump, Tail::drop, Tail::support, Tail::truncated,
                                  Tail::teacher_renormalised};

// Every divergence under every convention, on a set and what lies outside; nothing may be NaN.
void expect_finite(const Tensor& teacher_logits, const Tensor& student_logits, const Tensor& ids) {
  for (const Divergence& divergence : kAll) {
    for (const Tail tail : kTails) {
      SCOPED_TRACE(testing::Message() << "divergence " << static_cast<int>(divergence.kind)
                                      << ", tail " << static_cast<int>(tail));
      const Tensor t = teacher_logits.clone().requires_grad_();
      const Tensor s = student_logits.clone().requires_grad_();
      const OnSet p = on_set(log_softmax(t), ids), q = on_set(log_softmax(s), ids);
      const Tensor value =
          evaluate(divergence, compare_on_set(p.log_probs, q.log_probs, p.tail, q.tail, tail));
      EXPECT_TRUE(value.isfinite().all().item<bool>()) << value;
      const auto gradients = torch::autograd::grad({value.sum()}, {t, s}, {}, c10::nullopt, false,
                                                   /*allow_unused=*/true);
      for (const Tensor& gradient : gradients) {
        if (!gradient.defined()) continue;
        EXPECT_TRUE(gradient.isfinite().all().item<bool>()) << gradient;
      }
    }
  }
}

TEST(Divergences, AreFiniteAtExtremeLogits) {
  const Tensor up = torch::tensor({{1e4F, -1e4F, 0.F, 3.F}, {-1e4F, 1e4F, 1e4F, -1e4F}});
  const Tensor ids = torch::tensor({{0, 2}, {1, 0}});
  expect_finite(up, -up, ids);
  expect_finite(-up, up, ids);
  expect_finite(up, up, ids);
}

TEST(Divergences, AreFiniteWhereProbabilitiesAreZero) {
  const float none = -std::numeric_limits<float>::infinity();
  const Tensor some = torch::tensor({{1.F, none, 2.F, none, 0.F}, {0.F, 1.F, none, none, 2.F}});
  const Tensor other = torch::tensor({{none, none, 1.F, 0.F, 3.F}, {0.F, 1.F, 2.F, 3.F, none}});
  for (const Tensor& ids :
       {torch::tensor({{0, 1, 2}, {0, 2, -1}}), torch::tensor({{2, 4, -1}, {-1, -1, -1}})}) {
    expect_finite(some, some, ids);
    expect_finite(some, other, ids);
    expect_finite(other, some, ids);
  }
}

// Of a set and the rest as one further action.
TEST(Divergences, AreNeverNegativeAndZeroWhereTheSidesAgree) {
  torch::manual_seed(4);
  const Tensor log_p = log_softmax(3 * torch::randn({40, 12}, torch::kFloat64));
  const Tensor log_q = log_softmax(3 * torch::randn({40, 12}, torch::kFloat64));
  const Tensor ids = std::get<1>(log_p.topk(4));
  const OnSet p = on_set(log_p, ids), q = on_set(log_q, ids);
  for (const Divergence& divergence : kAll) {
    SCOPED_TRACE(static_cast<int>(divergence.kind));
    const auto value = [&](const OnSet& a, const OnSet& b) {
      return evaluate(divergence,
                      compare_on_set(a.log_probs, b.log_probs, a.tail, b.tail, Tail::lump));
    };
    EXPECT_TRUE(value(p, q).gt(0).all().item<bool>());
    const Tensor z = log_p.clone().requires_grad_();
    const Tensor log_z = log_softmax(z);
    const Tensor same = value(on_set(log_z.detach(), ids), on_set(log_z, ids));
    EXPECT_LE(same.abs().max().item<double>(), 1e-12);
    const Tensor gradient = torch::autograd::grad({same.sum()}, {z})[0];
    EXPECT_LE(gradient.abs().max().item<double>(), 1e-12);
  }
}

TEST(Divergences, IgnoreActionsThatNeitherSideHas) {
  const Tensor log_p = log_softmax({2, 1, 0}), log_q = log_softmax({1, 1.5, .5});
  const Tensor none = tensor({-kInf, -kInf});
  for (const Divergence& divergence : kAll) {
    const Tensor padded =
        evaluate(divergence, {torch::cat({log_p, none}), torch::cat({log_q, none}), {}, {}, {}});
    EXPECT_TENSOR_NEAR(padded, evaluate(divergence, {log_p, log_q, {}, {}, {}}), 1e-12);
  }
}

TEST(Divergences, MakeAnActionThatOnlyOneSideRulesOutHuge) {
  const Tensor log_p = tensor({.5, .5}).log(), log_q = tensor({-kInf, 0});
  EXPECT_GT(forward_kl(log_p, log_q).item<double>(), 1e4);
  EXPECT_GT(reverse_kl(log_q, log_p).item<double>(), 1e4);
  EXPECT_NEAR(reverse_kl(log_p, log_q).item<double>(), std::log(2), 1e-12);
  EXPECT_NEAR(skew_kl(log_p, log_q, .1).item<double>(), .5 * std::log(10) + .5 * std::log(.5 / .95),
              1e-12);
}

TEST(Divergences, ComputeHalfPrecisionInFloat32) {
  const Tensor p = log_softmax({2, 1, 0}).to(torch::kBFloat16);
  const Tensor q = log_softmax({1, 1.5, .5}).to(torch::kBFloat16);
  EXPECT_EQ(forward_kl(p, q).scalar_type(), torch::kFloat32);
  EXPECT_TRUE(forward_kl(p, q).equal(forward_kl(p.to(torch::kFloat32), q.to(torch::kFloat32))));
}

TEST(Divergences, RefuseShapesThatDiffer) {
  const Tensor p = torch::zeros({2, 3});
  EXPECT_THROW(forward_kl(p, torch::zeros({2, 4})), ShapeError);
  EXPECT_THROW(forward_kl(p, p, torch::zeros({2}), {}), ShapeError);
  EXPECT_THROW(forward_kl(p, p, torch::zeros({2}), torch::zeros({3})), ShapeError);
}

// Written in fewer passes, with a gradient of its own: the same as the composed one.
TEST(DivergenceFromLogits, HasValueAndGradientOfTheComposedForm) {
  torch::manual_seed(3);
  Tensor logits = 3 * torch::randn({6, 50});
  Tensor teacher = 3 * torch::randn({6, 50});
  logits[4].mul_(1000);
  teacher[5].mul_(1000);
  teacher[0][7] = -INFINITY;
  logits[0][7] = -INFINITY;
  const Tensor log_p = teacher.log_softmax(-1);
  const Tensor weight = torch::rand({6});
  for (const Divergence& divergence :
       {Divergence{.kind = Kind::forward_kl}, Divergence{.kind = Kind::reverse_kl},
        Divergence{.kind = Kind::jsd, .beta = 0.1}, Divergence{.kind = Kind::jsd, .beta = 0.9},
        Divergence{.kind = Kind::jsd, .beta = 0.3, .scale = true},
        Divergence{.kind = Kind::skew_kl}}) {
    const Tensor a = logits.clone().requires_grad_(), b = logits.clone().requires_grad_();
    const Tensor fused = divergence_from_logits(divergence, log_p, a);
    const Tensor composed = evaluate(divergence, {log_p, b.log_softmax(-1), {}, {}, {}});
    EXPECT_TRUE(fused.allclose(composed, 1e-4, 1e-5));
    const Tensor found = torch::autograd::grad({(fused * weight).sum()}, {a})[0];
    const Tensor wanted = torch::autograd::grad({(composed * weight).sum()}, {b})[0];
    EXPECT_TRUE(found.isfinite().all().item<bool>());
    EXPECT_TRUE(found.allclose(wanted, 1e-4, 1e-5));
  }
}

}  // namespace
}  // namespace rl::ops
