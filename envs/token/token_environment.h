#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "envs/token/teacher_oracle.h"
#include "rl/environment.h"

namespace envs {

/// The prompt of an episode, as ids; the same id gives the same prompt. May be called from several
/// threads at once.
using PromptOf = std::function<std::vector<int64_t>(int64_t episode)>;

struct TokenEnvironmentOptions {
  int64_t vocabulary_size = 0;
  std::vector<int64_t> end_ids;  // tokens that end an answer; empty: only the limit does
  int64_t max_new_tokens = 0;    // an answer that reaches it is truncated, not ended
};

/// Text generation as a Markov decision process.
///
/// State: a prompt and the tokens so far. Action: the next token. Transition: append. An end token
/// ends the episode (it is an action like any other, and is learned); the length limit truncates it.
/// The environment pays nothing: what a token is worth is a matter of reward terms.
///
/// With an oracle, a state offers only the tokens the oracle finds likely; without, every token.
class TokenEnvironment : public rl::Environment {
 public:
  /// @param oracle followed step by step; null: every token is on offer.
  TokenEnvironment(TokenEnvironmentOptions options, PromptOf prompt_of,
                   std::unique_ptr<TeacherOracle> oracle = nullptr);

  const rl::EnvironmentSpec& spec() const override { return spec_; }
  rl::TimeStep reset(const rl::Tensor& episodes) override;
  rl::TimeStep step(const rl::Tensor& action_ids) override;
  void keep(const rl::Tensor& rows) override;

 private:
  void check_actions(const rl::Tensor& action_ids) const;
  rl::Tensor ends(const rl::Tensor& action_ids) const;

  TokenEnvironmentOptions options_;
  PromptOf prompt_of_;
  std::unique_ptr<TeacherOracle> oracle_;
  rl::EnvironmentSpec spec_;
  rl::TimeStep now_;  // its observation is a view of `ids_`
  rl::Tensor ids_;    // int64[B, longest prompt + max_new_tokens]
};

}  // namespace envs
