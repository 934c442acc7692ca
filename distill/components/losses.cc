#include "distill/component_options.h"
#include "distill/components/components.h"
#include "rl/losses/imitation.h"
#include "rl/losses/inverse_soft_q.h"

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

struct LossEntry {
  const char* name;
  std::unique_ptr<rl::Loss> (*make)(const Options&);
};

constexpr LossEntry kLosses[] = {
    {"imitation", make_imitation},
    {"soft_td", make_soft_td},
};

}  // namespace

std::unique_ptr<rl::Loss> make_loss(const ComponentSpec& spec) {
  for (const LossEntry& entry : kLosses) {
    if (spec.name == entry.name) return entry.make(spec.options);
  }
  throw ConfigError("there is no loss \"" + spec.name + "\"");
}

}  // namespace distill
