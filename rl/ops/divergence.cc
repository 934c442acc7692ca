#include "rl/ops/divergence.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "rl/check.h"
#include "rl/torch.h"

namespace rl::ops {
namespace {

struct Sides {
  Tensor log_p;  // float32[..., K] or [..., K + 1], finite
  Tensor log_q;
};

// The one place where -inf is handled: masked_fill gives those entries no gradient.
Tensor finite(const Tensor& log_probs) {
  const Tensor wide =
      log_probs.scalar_type() == torch::kFloat64 ? log_probs : log_probs.to(torch::kFloat32);
  return wide.masked_fill(wide.isneginf(), kLogZero);
}

// Appends the tail as a last action.
Sides joined(const Tensor& log_p, const Tensor& log_q, const Tensor& log_p_tail,
             const Tensor& log_q_tail) {
  expect_shape(log_q, log_p.sizes().vec(), "log_q");
  if (log_p_tail.defined() != log_q_tail.defined()) {
    throw ShapeError("expected a tail on both sides or on neither, found one");
  }
  if (!log_p_tail.defined()) return {finite(log_p), finite(log_q)};
  const auto states = log_p.sizes().slice(0, log_p.dim() - 1).vec();
  expect_shape(log_p_tail, states, "log_p_tail");
  expect_shape(log_q_tail, states, "log_q_tail");
  return {finite(torch::cat({log_p, log_p_tail.unsqueeze(-1)}, -1)),
          finite(torch::cat({log_q, log_q_tail.unsqueeze(-1)}, -1))};
}

Tensor kl(const Tensor& log_p, const Tensor& log_q) {
  return (log_p.exp() * (log_p - log_q)).sum(-1);
}

// log(w p + (1 - w) q), 0 < w < 1.
Tensor log_mixture(const Tensor& log_p, const Tensor& log_q, double w) {
  return torch::logaddexp(log_p + std::log(w), log_q + std::log1p(-w));
}

// The same with a w of each state's own, [...].
Tensor log_mixture(const Tensor& log_p, const Tensor& log_q, const Tensor& w) {
  return torch::logaddexp(log_p + w.log().unsqueeze(-1), log_q + torch::log1p(-w).unsqueeze(-1));
}

// Above every power of a probability with a positive exponent; its square fits a float32.
constexpr double kMaxLogPower = 40;
// Exponents below it are those of the limit at (0, 0).
constexpr double kSmallExponent = 1e-4;

// q^s (exp(c u) - 1) / c, from log q^s and u; at c = 0 its limit q^s u. Precise near u = 0 and c = 0.
Tensor growth(const Tensor& log_power, const Tensor& u, double c) {
  const auto power = [](const Tensor& x) { return x.clamp_max(kMaxLogPower).exp(); };
  if (c == 0) return power(log_power) * u;
  const Tensor d = c * u;
  const Tensor rising = power(log_power + d) * -torch::expm1(-d.clamp_min(0));
  const Tensor falling = power(log_power) * torch::expm1(d.clamp_max(0));
  return torch::where(d > 0, rising, falling) / c;
}

// The family as 1 / b sum [ q^s (r^s - 1) / s - q^s (r^a - 1) / a ] with r = p / q and s = a + b: its limits
// are those of the two quotients. Exchanging (p, a) with (q, b) changes nothing, so the larger exponent
// can be the one divided by.
Tensor alpha_beta_of(const Tensor& log_p, const Tensor& log_q, double a, double b) {
  if (std::abs(a) > std::abs(b)) return alpha_beta_of(log_q, log_p, b, a);
  const Tensor u = log_p - log_q;
  if (std::abs(b) < kSmallExponent) return u.square().sum(-1) / 2;
  const Tensor log_power = (a + b) * log_q;
  return (growth(log_power, u, a + b) - growth(log_power, u, a)).sum(-1) / b;
}

// [..., 1] the head's share of the difference between p and q.
Tensor head_share(const Tensor& log_p, const Tensor& log_q, double mu) {
  const auto [sorted, order] = log_p.sort(-1, /*descending=*/true);
  const Tensor p = sorted.exp(), difference = (p - log_q.gather(-1, order).exp()).abs();
  Tensor head = p.cumsum(-1) <= mu;
  head.select(-1, 0).fill_(true);
  const Tensor all = difference.sum(-1, /*keepdim=*/true);
  const Tensor share = (difference * head).sum(-1, /*keepdim=*/true) / all;
  return torch::where(all > 0, share, torch::full_like(share, 0.5));
}

void require_alpha(double alpha, const char* name) {
  require(alpha >= 0 && alpha < 1,
          std::string(name) + " needs 0 <= alpha < 1, found " + std::to_string(alpha));
}

}  // namespace

Tensor forward_kl(const Tensor& log_p, const Tensor& log_q, const Tensor& log_p_tail,
                  const Tensor& log_q_tail) {
  const auto [p, q] = joined(log_p, log_q, log_p_tail, log_q_tail);
  return kl(p, q);
}

Tensor reverse_kl(const Tensor& log_p, const Tensor& log_q, const Tensor& log_p_tail,
                  const Tensor& log_q_tail) {
  const auto [p, q] = joined(log_p, log_q, log_p_tail, log_q_tail);
  return kl(q, p);
}

Tensor generalized_jsd(const Tensor& log_p, const Tensor& log_q, double beta, bool scale,
                       const Tensor& log_p_tail, const Tensor& log_q_tail) {
  if (scale && beta == 0) return forward_kl(log_p, log_q, log_p_tail, log_q_tail);
  if (scale && beta == 1) return reverse_kl(log_p, log_q, log_p_tail, log_q_tail);
  require(beta > 0 && beta < 1,
          "generalized_jsd needs 0 < beta < 1, found " + std::to_string(beta));
  const auto [p, q] = joined(log_p, log_q, log_p_tail, log_q_tail);
  const Tensor m = log_mixture(p, q, beta);
  const Tensor divergence = beta * kl(p, m) + (1 - beta) * kl(q, m);
  return scale ? divergence / (beta * (1 - beta)) : divergence;
}

Tensor skew_kl(const Tensor& log_p, const Tensor& log_q, double alpha, const Tensor& log_p_tail,
               const Tensor& log_q_tail) {
  require_alpha(alpha, "skew_kl");
  const auto [p, q] = joined(log_p, log_q, log_p_tail, log_q_tail);
  return kl(p, alpha == 0 ? q : log_mixture(p, q, alpha));
}

Tensor skew_reverse_kl(const Tensor& log_p, const Tensor& log_q, double alpha, bool detach_mixture,
                       const Tensor& log_p_tail, const Tensor& log_q_tail) {
  require_alpha(alpha, "skew_reverse_kl");
  const auto [p, q] = joined(log_p, log_q, log_p_tail, log_q_tail);
  if (alpha == 0) return kl(q, p);
  return kl(q, log_mixture(detach_mixture ? q.detach() : q, p, alpha));
}

Tensor skew_kl(const Tensor& log_p, const Tensor& log_q, const Tensor& alpha,
               const Tensor& log_p_tail, const Tensor& log_q_tail) {
  const auto [p, q] = joined(log_p, log_q, log_p_tail, log_q_tail);
  return kl(p, log_mixture(p, q, alpha));
}

Tensor skew_reverse_kl(const Tensor& log_p, const Tensor& log_q, const Tensor& alpha,
                       bool detach_mixture, const Tensor& log_p_tail, const Tensor& log_q_tail) {
  const auto [p, q] = joined(log_p, log_q, log_p_tail, log_q_tail);
  return kl(q, log_mixture(detach_mixture ? q.detach() : q, p, alpha));
}

Tensor interpolated_cross_entropy(const Tensor& log_p, const Tensor& log_q, double t,
                                  const Tensor& log_p_tail, const Tensor& log_q_tail) {
  require(t >= 0 && t <= 1,
          "interpolated_cross_entropy needs 0 <= t <= 1, found " + std::to_string(t));
  const auto [p, q] = joined(log_p, log_q, log_p_tail, log_q_tail);
  const Tensor between = (t * p.detach() + (1 - t) * q.detach()).softmax(-1);
  return -(between * q).sum(-1);
}

Tensor total_variation(const Tensor& log_p, const Tensor& log_q, const Tensor& log_p_tail,
                       const Tensor& log_q_tail) {
  const auto [p, q] = joined(log_p, log_q, log_p_tail, log_q_tail);
  return (p.exp() - q.exp()).abs().sum(-1) / 2;
}

Tensor alpha_beta(const Tensor& log_p, const Tensor& log_q, double alpha, double beta,
                  const Tensor& log_p_tail, const Tensor& log_q_tail) {
  require(std::isfinite(alpha) && std::isfinite(beta), "alpha_beta needs finite exponents, found " +
                                                           std::to_string(alpha) + " and " +
                                                           std::to_string(beta));
  const auto [p, q] = joined(log_p, log_q, log_p_tail, log_q_tail);
  return alpha_beta_of(p, q, alpha, beta);
}

Tensor akl(const Tensor& log_p, const Tensor& log_q, double mu, const Tensor& log_p_tail,
           const Tensor& log_q_tail) {
  require(mu >= 0 && mu <= 1, "akl needs 0 <= mu <= 1, found " + std::to_string(mu));
  const auto [p, q] = joined(log_p, log_q, log_p_tail, log_q_tail);
  const Tensor w = head_share(p.detach(), q.detach(), mu).squeeze(-1);
  return w * kl(p, q) + (1 - w) * kl(q, p);
}

Comparison compare_on_set(const Tensor& log_p, const Tensor& log_q, const Tensor& log_p_tail,
                          const Tensor& log_q_tail, Tail tail) {
  switch (tail) {
    case Tail::lump:
      return {log_p, log_q, log_p_tail, log_q_tail, {}};
    case Tail::truncated:
      return {log_p, log_q, {}, {}, {}};
    case Tail::drop:
    case Tail::support: {
      const Tensor p = finite(log_p), q = finite(log_q);
      const Tensor log_q_mass = q.logsumexp(-1);
      return {p - p.logsumexp(-1, /*keepdim=*/true),
              q - log_q_mass.unsqueeze(-1),
              {},
              {},
              tail == Tail::support ? -log_q_mass : Tensor()};
    }
    case Tail::teacher_renormalised: {
      const Tensor p = finite(log_p);
      Comparison compared{p - p.logsumexp(-1, /*keepdim=*/true), log_q, log_p_tail, log_q_tail, {}};
      if (log_p_tail.defined()) compared.log_p_tail = torch::full_like(log_p_tail, -INFINITY);
      return compared;
    }
  }
  throw std::invalid_argument("compare_on_set: unknown tail");
}

Tensor evaluate(const Divergence& divergence, const Comparison& compared) {
  const auto& [p, q, p_tail, q_tail, penalty] = compared;
  const auto value = [&]() -> Tensor {
    switch (divergence.kind) {
      case Divergence::Kind::forward_kl:
        return forward_kl(p, q, p_tail, q_tail);
      case Divergence::Kind::reverse_kl:
        return reverse_kl(p, q, p_tail, q_tail);
      case Divergence::Kind::jsd:
        return generalized_jsd(p, q, divergence.beta, divergence.scale, p_tail, q_tail);
      case Divergence::Kind::skew_kl:
        return skew_kl(p, q, divergence.alpha, p_tail, q_tail);
      case Divergence::Kind::skew_reverse_kl:
        return skew_reverse_kl(p, q, divergence.alpha, divergence.detach_mixture, p_tail, q_tail);
      case Divergence::Kind::total_variation:
        return total_variation(p, q, p_tail, q_tail);
      case Divergence::Kind::alpha_beta:
        return alpha_beta(p, q, divergence.alpha, divergence.beta, p_tail, q_tail);
      case Divergence::Kind::akl:
        return akl(p, q, divergence.mu, p_tail, q_tail);
    }
    throw std::invalid_argument("evaluate: unknown divergence");
  }();
  return penalty.defined() ? value + penalty : value;
}

namespace {

struct ValueAndGradient {
  Tensor value;     // [n]
  Tensor gradient;  // [n, V] with respect to the logits
};

// Arguments are log-probabilities free of -inf; all are written over.
ValueAndGradient forward_kl_of(Tensor log_p, Tensor log_q, Tensor q) {
  const Tensor p = log_p.exp();
  const Tensor value = log_p.sub_(log_q).mul_(p).sum(-1);
  return {value, q.sub_(p)};
}

ValueAndGradient reverse_kl_of(const Tensor& log_p, Tensor log_q, Tensor q) {
  const Tensor difference = log_q.sub_(log_p);
  const Tensor value = (q * difference).sum(-1, /*keepdim=*/true);
  return {value.squeeze(-1), q.mul_(difference.sub_(value))};
}

ValueAndGradient jsd_of(Tensor log_p, Tensor log_q, Tensor q, double beta) {
  const Tensor p = log_p.exp();
  const Tensor log_m = q.lerp(p, beta).log_().clamp_min_(kLogZero);
  const Tensor from_p = log_p.sub_(log_m).mul_(p).sum(-1);
  const Tensor difference = log_q.sub_(log_m);
  const Tensor from_q = (q * difference).sum(-1, /*keepdim=*/true);
  const Tensor value = beta * from_p + (1 - beta) * from_q.squeeze(-1);
  return {value, q.mul_(difference.sub_(from_q)).mul_(1 - beta)};
}

struct LogitDivergence : torch::autograd::Function<LogitDivergence> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& log_p,
                        const Tensor& logits, const Divergence& divergence) {
    const Tensor log_q = logits.log_softmax(-1).clamp_min_(kLogZero);
    const Tensor prior = log_p.clamp_min(kLogZero);
    ValueAndGradient found;
    switch (divergence.kind) {
      case Divergence::Kind::forward_kl:
        found = forward_kl_of(prior, log_q, log_q.exp());
        break;
      case Divergence::Kind::reverse_kl:
        found = reverse_kl_of(prior, log_q, log_q.exp());
        break;
      default:
        found = jsd_of(prior, log_q, log_q.exp(), divergence.beta);
        if (divergence.scale) {
          const double factor = 1 / (divergence.beta * (1 - divergence.beta));
          found = {found.value * factor, found.gradient.mul_(factor)};
        }
    }
    context->save_for_backward({found.gradient});
    return found.value;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list upstream) {
    const Tensor gradient = context->get_saved_variables()[0];
    return {Tensor(), gradient * upstream[0].unsqueeze(-1), Tensor()};
  }
};

}  // namespace

Tensor divergence_from_logits(const Divergence& divergence, const Tensor& log_p,
                              const Tensor& logits) {
  using Kind = Divergence::Kind;
  const bool inside = divergence.beta > 0 && divergence.beta < 1;
  const bool fused = divergence.kind == Kind::forward_kl || divergence.kind == Kind::reverse_kl ||
                     (divergence.kind == Kind::jsd && inside);
  if (!fused) return evaluate(divergence, {log_p, logits.log_softmax(-1), {}, {}, {}});
  return LogitDivergence::apply(log_p.detach(), logits, divergence);
}

}  // namespace rl::ops
