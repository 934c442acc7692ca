#include "envs/token/token_environment.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "rl/check.h"
#include "rl/torch.h"

namespace envs {

using rl::Tensor;
using rl::TimeStep;

TokenEnvironment::TokenEnvironment(TokenEnvironmentOptions options, PromptOf prompt_of,
                                   std::unique_ptr<TeacherOracle> oracle)
    : options_(std::move(options)), prompt_of_(std::move(prompt_of)), oracle_(std::move(oracle)) {
  rl::require(options_.vocabulary_size >= 1, "a token environment needs a vocabulary");
  rl::require(options_.max_new_tokens >= 1, "max_new_tokens must be at least 1, found " +
                                                std::to_string(options_.max_new_tokens));
  spec_.observation = {
      "ids", {-1}, torch::kInt64, 0, static_cast<double>(options_.vocabulary_size - 1)};
  spec_.observation_is_prefix = true;
  spec_.action_count = spec_.max_actions = options_.vocabulary_size;
  spec_.max_episode_steps = options_.max_new_tokens;
}

TimeStep TokenEnvironment::reset(const Tensor& episodes) {
  rl::expect_shape(episodes, {rl::kAny}, "episodes");
  const int64_t count = episodes.size(0);
  std::vector<std::vector<int64_t>> prompts;
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < count; ++i) {
    prompts.push_back(prompt_of_(episodes[i].item<int64_t>()));
    rl::require(!prompts.back().empty(), "episode " + std::to_string(episodes[i].item<int64_t>()) +
                                             ": an empty prompt predicts nothing");
    lengths.push_back(static_cast<int64_t>(prompts.back().size()));
  }
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  ids_ = torch::zeros({count, longest + options_.max_new_tokens}, torch::kInt64);
  for (int64_t i = 0; i < count; ++i) {
    const std::vector<int64_t>& prompt = prompts[static_cast<size_t>(i)];
    ids_[i]
        .narrow(0, 0, lengths[static_cast<size_t>(i)])
        .copy_(torch::tensor(prompt, torch::kInt64));
  }
  now_ = {.observation = ids_.narrow(1, 0, longest),
          .length = torch::tensor(lengths, torch::kInt64),
          .actions = {},
          .reward = torch::zeros({count}),
          .discount = torch::ones({count}),
          .last = torch::zeros({count}, torch::kBool),
          .episode = episodes,
          .step = torch::zeros({count}, torch::kInt64)};
  if (oracle_) now_.actions = oracle_->begin(now_.observation, now_.length);
  return now_;
}

TimeStep TokenEnvironment::step(const Tensor& action_ids) {
  if (!now_.episode.defined()) {
    throw std::logic_error("TokenEnvironment::step called before reset");
  }
  rl::expect_shape(action_ids, {now_.size()}, "action_ids");
  const Tensor actions = action_ids.to(ids_.device());
  check_actions(actions);
  const Tensor running = now_.last.logical_not();
  const Tensor place = now_.length.unsqueeze(1).clamp_max(ids_.size(1) - 1);
  const Tensor old = ids_.gather(1, place).squeeze(1);
  ids_.scatter_(1, place, torch::where(running, actions, old).unsqueeze(1));

  TimeStep next = now_;
  next.length = now_.length + running;
  next.step = now_.step + running;
  const Tensor ended = running.logical_and(ends(actions));
  const Tensor truncated = next.step >= options_.max_new_tokens;
  next.discount = now_.discount.masked_fill(ended, 0);
  next.last = now_.last.logical_or(ended).logical_or(truncated);
  // All rows grow by at most one id a step, so the longest prompt grows with them.
  next.observation = ids_.narrow(1, 0, std::min(now_.observation.size(1) + 1, ids_.size(1)));
  if (oracle_) next.actions = oracle_->advance(actions);
  now_ = next;
  return next;
}

void TokenEnvironment::keep(const Tensor& rows) {
  const int64_t width = now_.observation.size(1);
  now_ = rl::rows_of(now_, rows);
  ids_ = ids_.index_select(0, rows);
  now_.observation = ids_.narrow(1, 0, width);
  if (oracle_) oracle_->keep(rows);
}

void TokenEnvironment::check_actions(const Tensor& action_ids) const {
  const Tensor outside = now_.actions.is_full()
                             ? (action_ids < 0).logical_or(action_ids >= options_.vocabulary_size)
                             : rl::slot_of(now_.actions, action_ids) < 0;
  const Tensor wrong = outside.logical_and(now_.last.logical_not());
  if (!wrong.any().item<bool>()) return;
  const int64_t row = wrong.nonzero()[0].item<int64_t>();
  throw std::invalid_argument("episode " + std::to_string(now_.episode[row].item<int64_t>()) +
                              ": action " + std::to_string(action_ids[row].item<int64_t>()) +
                              " is not on offer");
}

Tensor TokenEnvironment::ends(const Tensor& action_ids) const {
  Tensor result = torch::zeros_like(action_ids, torch::kBool);
  for (const int64_t id : options_.end_ids) result = result.logical_or(action_ids == id);
  return result;
}

}  // namespace envs
