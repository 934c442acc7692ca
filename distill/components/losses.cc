#include "distill/component_options.h"
#include "distill/components/components.h"
#include "rl/losses/imitation.h"
#include "rl/losses/inverse_soft_q.h"
#include "rl/losses/policy_gradient.h"
#include "rl/losses/relation.h"
#include "rl/losses/td.h"

namespace distill {
namespace {

std::unique_ptr<rl::Loss> make_imitation(const Options& options) {
  static_cast<void>(bound<ImitationOptions>(options));
  return std::make_unique<rl::Imitation>();
}

std::unique_ptr<rl::Loss> make_soft_td(const Options& options) {
  using rl::ops::Gauge;
  using rl::ops::Tail;
  const auto found = bound<SoftTdOptions>(options);
  rl::InverseSoftQOptions q;
  q.gamma = found.gamma;
  q.td = {.alpha = found.alpha, .chi2 = found.chi2};
  q.gauge = found.gauge == "raw"           ? Gauge::raw
            : found.gauge == "log_softmax" ? Gauge::log_softmax
                                           : Gauge::max_shift;
  // Raw logits have no natural floor.
  q.q_min = found.gauge == "raw" ? std::nullopt : std::optional<double>(found.q_min);
  q.tail = found.tail == "lump" ? Tail::lump : found.tail == "support" ? Tail::support : Tail::drop;
  q.out_of_set = found.out_of_set == "exclude" ? rl::OutOfSet::exclude
                 : found.out_of_set == "tail"  ? rl::OutOfSet::tail
                                               : rl::OutOfSet::include;
  q.entropy_temperature = found.entropy;
  if (found.demonstrated_share < 1) q.demonstrated_share = found.demonstrated_share;
  q.chi2_on_own = found.chi2_on_own;
  return std::make_unique<rl::InverseSoftQ>(q);
}

// Nothing where an option is 0, which stands for "none".
std::optional<double> unless_zero(double value) {
  return value == 0 ? std::nullopt : std::optional<double>(value);
}

std::unique_ptr<rl::Loss> make_td(const Options& options) {
  const auto found = bound<TdOptions>(options);
  rl::TdOptions td{.gamma = found.gamma,
                   .entropy = found.entropy,
                   .double_q = found.double_q,
                   .huber_delta = found.huber_delta,
                   .epsilon = found.random_share,
                   .n_steps = found.n_steps,
                   .lambda = found.lambda};
  td.bootstrap = found.bootstrap == "live"       ? rl::Bootstrap::live
                 : found.bootstrap == "detached" ? rl::Bootstrap::detached
                                                 : rl::Bootstrap::target;
  if (found.sqil) td.sqil = rl::SqilOptions{.share = found.demonstrated_share};
  return std::make_unique<rl::Td>(td);
}

rl::Baseline baseline_of(const std::string& name) {
  if (name == "none") return rl::Baseline::none;
  if (name == "batch") return rl::Baseline::batch;
  if (name == "group") return rl::Baseline::group;
  return name == "leave_one_out" ? rl::Baseline::leave_one_out : rl::Baseline::value;
}

std::unique_ptr<rl::Loss> make_policy_gradient(const Options& options) {
  using rl::ops::Normalization;
  const auto found = bound<PolicyGradientOptions>(options);
  return std::make_unique<rl::PolicyGradient>(rl::PolicyGradientOptions{
      .gamma = found.gamma,
      .lambda = found.lambda,
      .clip = unless_zero(found.clip),
      .value_clip = unless_zero(found.value_clip),
      .value_coefficient = found.value_coefficient,
      .entropy_coefficient = found.entropy_coefficient,
      .normalization = found.normalize ? Normalization::sample : Normalization::none,
      .baseline = baseline_of(found.baseline),
      .group_size = found.group_size,
      .importance_clip = unless_zero(found.importance_clip),
      .max_kl = unless_zero(found.max_kl)});
}

std::unique_ptr<rl::Loss> make_relation(const Options& options) {
  const auto found = bound<RelationOptions>(options);
  return std::make_unique<rl::Relation>(rl::RelationOptions{
      .prior_temperature = found.teacher_temperature, .temperature = found.student_temperature});
}

struct LossEntry {
  const char* name;
  std::unique_ptr<rl::Loss> (*make)(const Options&);
};

constexpr LossEntry kLosses[] = {
    {"imitation", make_imitation},
    {"policy_gradient", make_policy_gradient},
    {"relation", make_relation},
    {"soft_td", make_soft_td},
    {"td", make_td},
};

}  // namespace

std::unique_ptr<rl::Loss> make_loss(const ComponentSpec& spec) {
  for (const LossEntry& entry : kLosses) {
    if (spec.name == entry.name) return entry.make(spec.options);
  }
  throw ConfigError("there is no loss \"" + spec.name + "\"");
}

}  // namespace distill
