#include "distill/component_options.h"
#include "distill/components/components.h"
#include "rl/losses/imitation.h"
#include "rl/losses/inverse_soft_q.h"
#include "rl/losses/ppo.h"
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
  return std::make_unique<rl::InverseSoftQ>(q);
}

std::unique_ptr<rl::Loss> make_td(const Options& options) {
  const auto found = bound<TdOptions>(options);
  return std::make_unique<rl::Td>(rl::TdOptions{.gamma = found.gamma,
                                                .entropy = found.entropy,
                                                .double_q = found.double_q,
                                                .huber_delta = found.huber_delta});
}

std::unique_ptr<rl::Loss> make_ppo(const Options& options) {
  using rl::ops::Normalization;
  const auto found = bound<PpoOptions>(options);
  rl::PpoOptions ppo{
      .gamma = found.gamma,
      .lambda = found.lambda,
      .clip = found.clip,
      .value_clip = std::nullopt,
      .value_coefficient = found.value_coefficient,
      .entropy_coefficient = found.entropy_coefficient,
      .normalization = found.normalize ? Normalization::sample : Normalization::none};
  if (found.value_clip > 0) ppo.value_clip = found.value_clip;
  return std::make_unique<rl::Ppo>(ppo);
}

struct LossEntry {
  const char* name;
  std::unique_ptr<rl::Loss> (*make)(const Options&);
};

constexpr LossEntry kLosses[] = {
    {"imitation", make_imitation},
    {"ppo", make_ppo},
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
