#include "rl/hindsight.h"

#include <cmath>
#include <utility>

#include "rl/batching.h"
#include "rl/check.h"
#include "rl/checkpoint.h"
#include "rl/ops/masked.h"
#include "rl/torch.h"

namespace rl {
namespace {

// The mean over each row's trained steps: float32[B, 1].
Tensor row_mean(const Tensor& values, const Tensor& mask) {
  return ops::masked_row_mean(values, mask).unsqueeze(1);
}

}  // namespace

Hindsight::Hindsight(std::unique_ptr<Source> source, std::shared_ptr<const PolicyModel> policy,
                     Reward reward, std::shared_ptr<const Readout> prior_readout,
                     const Threads& threads, int64_t part_tokens)
    : source_(std::move(source)),
      policy_(std::move(policy)),
      reward_(std::move(reward)),
      prior_readout_(std::move(prior_readout)),
      threads_(threads),
      part_tokens_(part_tokens) {}

Trajectory Hindsight::collect(const Tensor& episodes, double progress) {
  const Trajectory batch = source_->collect(episodes, progress);
  const std::map<std::string, Tensor> past = past_of(last_ ? *last_ : batch);
  last_ = batch;
  Trajectory result = batch;
  for (const auto& [name, value] : past) {
    require(value.size(0) == batch.size(), "hindsight: batches must have one size");
    result.notes[kPast + name] = value.expand({batch.size(), batch.length()}).contiguous();
  }
  return result;
}

std::map<std::string, Tensor> Hindsight::past_of(const Trajectory& batch) const {
  std::map<std::string, Tensor> past;
  for (const auto& [name, note] : batch.notes) past[name] = row_mean(note, batch.mask);
  const Tensor ones = torch::ones({batch.size(), 1}, batch.reward.options());
  past["known"] = last_ ? ones : torch::zeros_like(ones);
  past["value"] = last_ ? worth() : torch::zeros_like(ones);
  past["episode"] = batch.episode.unsqueeze(1);
  past["held_out"] = ones * held_out_;
  return past;
}

Tensor Hindsight::worth() const {
  const Trajectory judged = map_parts(*last_, part_tokens_, threads_, [&](const Trajectory& part) {
    torch::NoGradGuard no_grad;
    const PolicyOutput output = policy_->evaluate(part);
    const Trajectory there = part.to(output.features.device());
    return part.with_note("worth", reward_.of(there, output).cpu());
  });
  return row_mean(judged.notes.at("worth"), judged.mask);
}

void Hindsight::measured(double loss) {
  held_out_ = std::exp(-loss);
  source_->measured(loss);
}

void Hindsight::save(State& state) const {
  state.save("source", *source_);
  if (last_) {
    for (const auto& [name, tensor] : last_->tensors()) state.put("last." + name, tensor);
  }
  state.put("has_last", int64_t{last_ ? 1 : 0});
  state.put("held_out", held_out_);
}

void Hindsight::load(const State& state) {
  source_->load(state.part("source"));
  last_.reset();
  if (state.integer("has_last") != 0) {
    last_ = Trajectory::from_tensors(state.part("last").tensors(), prior_readout_);
  }
  held_out_ = state.number("held_out");
}

}  // namespace rl
