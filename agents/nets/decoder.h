#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <memory>
#include <string>
#include <vector>

#include "agents/nets/decoder_config.h"
#include "agents/nets/kernels.h"
#include "agents/nets/key_value_cache.h"
#include "agents/nets/lora.h"
#include "rl/tensor.h"

namespace agents {

struct DecoderOptions {
  /// What the matrix products compute in: float32 or bfloat16. The weights keep their own type.
  c10::ScalarType compute = c10::kFloat;
  /// Size of the tokenizer's vocabulary, for heads padded beyond it; 0: all rows of the head.
  int64_t vocabulary_size = 0;
};

/// A causal language model without its head: token ids to hidden states.
///
/// Parameters bear the names of Hugging Face's files. Sequences are padded on the right, where no
/// token sees the padding. There is no dropout. Forward passes may run on several threads at once
/// as long as nobody writes to the parameters.
class DecoderImpl : public torch::nn::Module {
 public:
  /// The parameters hold arbitrary numbers: see `new_decoder` and `load_decoder` in
  /// agents/weights.h.
  /// @throws std::invalid_argument if an option is out of range.
  explicit DecoderImpl(DecoderConfig config, DecoderOptions options = {});

  /// Hidden states after the final norm, of the computing type.
  ///
  /// @param ids int64[B, T], padded on the right with any id of the vocabulary.
  /// @param from first position to return; those before are only read by the ones after, which
  /// saves a part of the last layer.
  /// @return [B, T - from, D].
  /// @throws std::invalid_argument if T exceeds the context, or naming an id outside the vocabulary
  /// and its place (checked where the ids are on the host).
  rl::Tensor forward(const rl::Tensor& ids, int64_t from = 0);

  /// The same from the embeddings of tokens, or from what stands in their place, with gradients into
  /// them.
  ///
  /// @param tokens float32[B, T, D], without positions.
  rl::Tensor forward_embedded(const rl::Tensor& tokens, int64_t from = 0);

  /// float32[B, T, D], what `forward_embedded` takes for these ids.
  ///
  /// @throws std::invalid_argument as `forward`.
  rl::Tensor embedded(const rl::Tensor& ids) const;

  /// The same for T more tokens of the rows of a cache, which grows by them. Without gradients.
  ///
  /// @param ids int64[B, T].
  /// @param counts how many of the T ids of each row are tokens, the rest being padding; empty: all.
  /// The hidden states of padding mean nothing.
  /// @return [B, T, D].
  /// @throws std::invalid_argument also if the cache has no room for them.
  rl::Tensor forward(const rl::Tensor& ids, KeyValueCache& cache,
                     const std::vector<int64_t>& counts = {});

  /// A cache for this decoder on its device.
  KeyValueCache new_cache(int64_t rows, int64_t capacity) const;

  /// Weight of the head [V, D], the token embedding where the two are tied; without the rows beyond
  /// the tokenizer's vocabulary. The head has no bias.
  rl::Tensor head_weight() const;
  /// V.
  int64_t vocabulary_size() const;
  /// Embeddings of tokens, int64[n]: [n, D].
  rl::Tensor token_rows(const rl::Tensor& ids) const;

  const DecoderConfig& config() const { return config_; }
  const DecoderOptions& options() const { return options_; }

  /// A decoder with the same parameters and modules, and its own: `Decoder target(decoder->copy())`.
  std::shared_ptr<DecoderImpl> copy() const;
  /// A decoder over the parameters of this one, which it neither copies nor wants gradients of, with
  /// modules that this one has not.
  std::shared_ptr<DecoderImpl> with_modules(std::shared_ptr<const Lora> modules) const;
  /// Null: none.
  const std::shared_ptr<const Lora>& modules() const { return modules_; }

  /// A decoder that shares these parameters, frozen, and reads further ids: V', V' + 1, ... with V' the
  /// size of the token embedding, embedded as the given rows, which may want a gradient.
  ///
  /// @param rows float32[n, D].
  std::shared_ptr<DecoderImpl> with_further_ids(const rl::Tensor& rows) const;

 private:
  struct Linear {
    rl::Tensor weight;  // [out, in]; GPT-2: [in, out]
    rl::Tensor bias;    // undefined for none
  };
  struct Norm {
    rl::Tensor weight;
    rl::Tensor bias;  // undefined for RMS norms
  };
  struct Layer {
    Norm attention_norm;
    std::vector<Linear> query_key_value;  // one where the family fuses them
    Linear attention_output;
    Norm feed_forward_norm;
    std::vector<Linear> feed_forward_in;  // gate and up, or one
    Linear feed_forward_out;
    kernels::Attention attention;
  };
  class RotationTable;

  rl::Tensor make(const std::string& path, const std::vector<int64_t>& sizes);
  Linear make_linear(const std::string& path, int64_t out, int64_t in, bool has_bias);
  Norm make_norm(const std::string& path);
  void make_gpt2();
  void make_llama();

  rl::Tensor with_positions(const rl::Tensor& tokens, const rl::Tensor& positions) const;
  rl::Tensor query_key_value(size_t layer, const rl::Tensor& x) const;
  rl::Tensor apply(const std::vector<Linear>& layers, const rl::Tensor& x) const;
  kernels::Normed apply(const Norm& norm, const rl::Tensor& residual,
                        const rl::Tensor& delta) const;
  rl::Tensor feed_forward(const Layer& layer, const rl::Tensor& x) const;
  void check_ids(const rl::Tensor& ids) const;

  DecoderConfig config_;
  DecoderOptions options_;
  rl::Tensor token_embedding_;     // [V, D]
  rl::Tensor position_embedding_;  // [context, D], GPT-2
  rl::Tensor further_embedding_;   // [n, D] of ids beyond the vocabulary; undefined: none
  std::vector<Layer> layers_;
  Norm final_norm_;
  rl::Tensor head_;  // [V, D]
  std::shared_ptr<RotationTable> rotation_;
  std::shared_ptr<const Lora> modules_;
};
TORCH_MODULE(Decoder);

}  // namespace agents
