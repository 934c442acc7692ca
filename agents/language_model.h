#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "agents/actors/logits_actor.h"
#include "agents/nets/decoder.h"
#include "agents/next_logits.h"
#include "rl/policy.h"

namespace agents {

/// Hidden states, and the head as a read-out of them, at the states of a trajectory of text.
struct HiddenStates {
  rl::Tensor features;  // float[B, T, D]
  rl::Readout readout;
};

/// Runs a decoder over the sequences of a trajectory and picks the rows that predict its actions:
/// position start + t for column t.
///
/// @param temperature of the read-out.
HiddenStates hidden_states(Decoder decoder, const rl::Trajectory& trajectory,
                           double temperature = 1.0);

/// A decoder as a policy: the state is a prefix, the action the next token.
class LanguageModel : public rl::PolicyModel {
 public:
  explicit LanguageModel(Decoder decoder) : decoder_(std::move(decoder)) {}

  rl::PolicyOutput evaluate(const rl::Trajectory& trajectory) const override;
  rl::NamedTensors parameters() const override;
  std::unique_ptr<rl::PolicyModel> clone() const override;

  Decoder decoder() const { return decoder_; }

 private:
  Decoder decoder_;
};

/// A frozen decoder that learns through the modules attached to it, and through them alone.
class ModulesModel : public LanguageModel {
 public:
  /// @param decoder see `DecoderImpl::with_modules`.
  /// @throws std::invalid_argument for a decoder without modules.
  explicit ModulesModel(Decoder decoder);

  rl::NamedTensors parameters() const override;
  std::unique_ptr<rl::PolicyModel> clone() const override;
};

/// Follows prefixes token by token with a key-value cache and keeps the hidden states that predict the
/// next one. Weights are used in place.
class PrefixReader {
 public:
  explicit PrefixReader(Decoder decoder) : decoder_(std::move(decoder)) {}

  /// @param ids int64[B, L], right-padded. @param length int64[B].
  /// @param room tokens that may still be appended to each.
  /// @return logits float32[B, V] of the next token.
  rl::Tensor begin(const rl::Tensor& ids, const rl::Tensor& length, int64_t room);
  /// @param ids int64[B], one more token of each prefix. @return as `begin`.
  rl::Tensor advance(const rl::Tensor& ids);
  void keep(const rl::Tensor& rows);

 private:
  rl::Tensor logits(const rl::Tensor& hidden) const;

  Decoder decoder_;
  std::optional<KeyValueCache> cache_;
};

/// What a language model finds likely next in texts that are written.
class PrefixLogits : public NextLogits {
 public:
  /// @param max_new_tokens longest answer.
  PrefixLogits(Decoder decoder, int64_t max_new_tokens)
      : reader_(std::move(decoder)), max_new_tokens_(max_new_tokens) {}

  void begin(const rl::TimeStep& first) override;
  rl::Tensor of(const rl::TimeStep& now) override;
  void keep(const rl::Tensor& rows) override;

 private:
  PrefixReader reader_;
  int64_t max_new_tokens_;
  rl::Tensor first_;  // float32[B, V] of the first token; undefined once it is drawn
};

/// A language model that writes.
class LanguageModelActor : public LogitsActor {
 public:
  /// @param max_new_tokens longest answer.
  /// @param seed, role of its random draws.
  LanguageModelActor(Decoder decoder, const SamplingOptions& sampling, int64_t max_new_tokens,
                     uint64_t seed, std::string_view role)
      : LogitsActor(std::make_unique<PrefixLogits>(std::move(decoder), max_new_tokens), sampling,
                    seed, role) {}
};

}  // namespace agents
