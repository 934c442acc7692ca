#include "rl/adaptive_mix.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "rl/check.h"
#include "rl/checkpoint.h"
#include "rl/random.h"
#include "rl/torch.h"

namespace rl {

AdaptiveShare::AdaptiveShare(const AdaptiveShareOptions& options)
    : options_(options), value_(options.first) {
  require(options.first >= 0 && options.first <= 1,
          "a share must be in [0, 1], found " + std::to_string(options.first));
  require(options.step > 0, "a share must grow, found a step of " + std::to_string(options.step));
}

void AdaptiveShare::measured(double loss) {
  const bool risen = reference_ && loss >= *reference_ + options_.tolerance;
  if (risen) value_ = std::min(1.0, value_ + options_.step);
  if (!reference_ || risen || options_.against_last) reference_ = loss;
}

void AdaptiveShare::save(State& state) const {
  state.put("share", value_);
  if (reference_) state.put("reference", *reference_);
}

void AdaptiveShare::load(const State& state) {
  value_ = state.number("share");
  reference_.reset();
  if (state.contains("reference")) reference_ = state.number("reference");
}

AdaptiveMix::AdaptiveMix(std::unique_ptr<Source> first, std::unique_ptr<Source> second,
                         AdaptiveMixOptions options, uint64_t seed)
    : TwoSources(std::move(first), std::move(second)),
      options_(std::move(options)),
      share_(options_.share),
      written_({.capacity = options_.capacity}, role_key(seed, "adaptive_mix_replay")),
      key_(role_key(seed, "adaptive_mix")) {}

Turn AdaptiveMix::turn(double u, double share, double fresh, bool is_full) {
  if (u >= share) return Turn::kFirst;
  return u < share * fresh || !is_full ? Turn::kFresh : Turn::kReplay;
}

Trajectory AdaptiveMix::collect(const Tensor& episodes, double progress) {
  const int64_t count = episodes.size(0);
  require(count <= options_.capacity, "an adaptive mixture that keeps " +
                                          std::to_string(options_.capacity) +
                                          " episodes cannot draw " + std::to_string(count));
  const double u = uniform(key_, static_cast<uint64_t>(episodes[0].item<int64_t>()), 0);
  const Turn now = turn(u, share(), options_.fresh(progress), written_.size() >= options_.capacity);
  if (now != Turn::kReplay) {
    const Tensor to_second = torch::full({count}, now == Turn::kFresh, torch::kBool);
    const Trajectory batch = collect_from(episodes, to_second, progress);
    if (now == Turn::kFresh) written_.add(batch);
    if (now == Turn::kFirst || !options_.draw_always) return batch;
  }
  Trajectory drawn = *written_.sample(count);
  // The policy that wrote them is no longer the one that learns.
  drawn.own = torch::zeros_like(drawn.own);
  return drawn;
}

void AdaptiveMix::measured(double loss) {
  TwoSources::measured(loss);
  share_.measured(loss);
}

void AdaptiveMix::save(State& state) const {
  TwoSources::save(state);
  state.save("share", share_);
  state.save("written", written_);
}

void AdaptiveMix::load(const State& state) {
  TwoSources::load(state);
  share_.load(state.part("share"));
  written_.load(state.part("written"), nullptr);
}

}  // namespace rl
