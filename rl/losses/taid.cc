#include "rl/losses/taid.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "rl/check.h"
#include "rl/checkpoint.h"
#include "rl/torch.h"

namespace rl {
namespace {

constexpr const char* kCrossEntropy = "taid/cross_entropy";
// Keeps the relative fall finite where a loss is 0.
constexpr double kSmall = 1e-15;

}  // namespace

Interpolation::Interpolation(const InterpolationOptions& options)
    : options_(options), t_(options.first) {
  require(options.first >= 0 && options.first <= options.last && options.last <= 1,
          "an interpolation needs 0 <= first <= last <= 1, found " + std::to_string(options.first) +
              " and " + std::to_string(options.last));
  require(options.rate >= 0,
          "an interpolation needs rate >= 0, found " + std::to_string(options.rate));
  require(options.memory >= 0 && options.memory < 1,
          "an interpolation needs 0 <= memory < 1, found " + std::to_string(options.memory));
}

void Interpolation::updated(double loss, double progress) {
  if (before_) {
    const double fall = (*before_ - loss) / (*before_ + kSmall);
    momentum_ = options_.memory * momentum_ + (1 - options_.memory) * fall;
    const double step = options_.rate / (1 + std::exp(-momentum_)) * (1 - t_);
    const double line = options_.first + (options_.last - options_.first) * progress;
    t_ = std::min(options_.last, std::max(line, t_ + step));
  }
  before_ = loss;
}

void Interpolation::save(State& state) const {
  state.put("t", t_);
  state.put("momentum", momentum_);
  if (before_) state.put("before", *before_);
}

void Interpolation::load(const State& state) {
  t_ = state.number("t");
  momentum_ = state.number("momentum");
  before_.reset();
  if (state.contains("before")) before_ = state.number("before");
}

Taid::Taid(const InterpolationOptions& options, Term term)
    : interpolation_(options), term_(std::move(term)) {}

LossOutput Taid::operator()(const LossInput& input) const {
  const double t = interpolation_.t();
  // The log-probability only rides along, to be compared with the actor's.
  const StateSum sum =
      sum_states(input.online, input.trajectory, input.weight, {1, 0}, [&](const Opinion& opinion) {
        return torch::stack({term_(opinion, t), opinion.action_log_prob().detach()}, -1);
      });
  LossOutput output{sum.total, {}};
  output.metrics.sums[kCrossEntropy] = (sum.values.select(-1, 0) * input.weight).sum();
  output.metrics.maxima["taid/t"] = torch::full({}, t, input.weight.options());
  output.metrics.maxima["log_prob_difference"] =
      log_prob_difference(input.trajectory, sum.values.select(-1, 1), input.weight != 0);
  return output;
}

void Taid::updated(const Metrics& metrics, double progress) {
  interpolation_.updated(metrics.at(kCrossEntropy), progress);
}

}  // namespace rl
