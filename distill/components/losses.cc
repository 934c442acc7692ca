#include <algorithm>

#include "distill/component_options.h"
#include "distill/components/components.h"
#include "rl/losses/aligned.h"
#include "rl/losses/contrast.h"
#include "rl/losses/imitation.h"
#include "rl/losses/inverse_soft_q.h"
#include "rl/losses/mixture_likelihood.h"
#include "rl/losses/pair_likelihood.h"
#include "rl/losses/policy_gradient.h"
#include "rl/losses/relation.h"
#include "rl/losses/subset_gradient.h"
#include "rl/losses/taid.h"
#include "rl/losses/td.h"

namespace distill {
namespace {

std::unique_ptr<rl::Loss> make_imitation(const Options& options) {
  const auto found = bound<WeighedImitationOptions>(options);
  return std::make_unique<rl::Imitation>(rl::ImitationOptions{.importance = found.importance});
}

std::unique_ptr<rl::Loss> make_pair_likelihood(const Options& options) {
  static_cast<void>(bound<PairLikelihoodOptions>(options));
  return std::make_unique<rl::PairLikelihood>();
}

std::unique_ptr<rl::Loss> make_aligned(const Options& options) {
  const auto found = bound<AlignedOptions>(options);
  return std::make_unique<rl::Aligned>(
      rl::AlignedOptions{.by_action = found.distance == "hybrid",
                         .hybrid = {.beta = found.beta, .matched_weight = found.matched_weight},
                         .policy_temperature = found.student_temperature});
}

std::unique_ptr<rl::Loss> make_mixture_likelihood(const Options& options) {
  static_cast<void>(bound<MixtureLikelihoodOptions>(options));
  return std::make_unique<rl::MixtureLikelihood>();
}

std::unique_ptr<rl::Loss> make_subset_gradient(const Options& options) {
  const auto found = bound<SubsetGradientOptions>(options);
  return std::make_unique<rl::SubsetGradient>(
      rl::SubsetGradientOptions{.own_share = found.own_share,
                                .baseline_decay = found.baseline_decay,
                                .warm_up = found.warm_up});
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
  q.own_steps = found.own_steps;
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
  if (found.sqil) td.sqil = rl::SqilOptions{};
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
  const auto given = bound<TokenGradientOptions>(options);
  const PolicyGradientOptions& found = given.gradient;
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
      .ratio = given.ratio,
      .include_current = given.include_current,
      .length_normalized = given.length_normalized,
      .reward_clip = unless_zero(given.reward_clip),
      .advantage_clip = unless_zero(given.advantage_clip),
      .normalize_padding = given.normalize_padding,
      .max_kl = unless_zero(found.max_kl)});
}

std::unique_ptr<rl::Loss> make_contrast(const Options& options) {
  const auto found = bound<ContrastOptions>(options);
  rl::ContrastOptions contrast;
  contrast.factor = [factor = found.factor, until = found.factor_share](double progress) {
    return factor.at(std::min(1.0, progress / until));
  };
  contrast.by_prior = found.writer == "teacher";
  if (found.curriculum) contrast.largest_skew = found.largest_skew;
  return std::make_unique<rl::Contrast>(contrast);
}

std::unique_ptr<rl::Loss> make_taid(const Options& options) {
  const auto found = bound<TaidOptions>(options);
  return std::make_unique<rl::Taid>(rl::InterpolationOptions{.first = found.t_start,
                                                             .last = found.t_end,
                                                             .rate = found.alpha,
                                                             .memory = found.momentum},
                                    make_interpolated_term(found.divergence));
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
    {"aligned", make_aligned},
    {"contrast", make_contrast},
    {"imitation", make_imitation},
    {"mixture_likelihood", make_mixture_likelihood},
    {"pair_likelihood", make_pair_likelihood},
    {"policy_gradient", make_policy_gradient},
    {"relation", make_relation},
    {"soft_td", make_soft_td},
    {"subset_gradient", make_subset_gradient},
    {"taid", make_taid},
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
