#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agents/nets/decoder.h"

namespace agents {

struct LoadOptions {
  DecoderOptions decoder = {};
  /// A model that is only read: its parameters want no gradient, and those that have the right type
  /// on disk stay there, mapped into memory.
  bool frozen = false;
  /// Weights stored as bfloat16 stay so, which asks for `decoder.compute` of bfloat16 and `frozen`.
  /// All others become float32.
  bool keep_bfloat16 = false;
};

/// Reads a Hugging Face folder: `config.json` with `model.safetensors` or its shards and
/// `model.safetensors.index.json`.
///
/// Tensors that carry nothing are read past: the causal masks of old GPT-2 files, rotary
/// frequencies, a head stored although it is tied. GPT-2 may lack the prefix "transformer.".
///
/// @throws std::runtime_error on one line; for weights that do not fit it lists the tensors
/// missing, surplus and of the wrong shape, or names the first that holds NaN or infinity.
Decoder load_decoder(const std::string& folder, const LoadOptions& options = {});

/// A decoder with weights as transformers initialises them: normal(0, initializer_range), norms 1,
/// biases 0; GPT-2's projections into the stream are smaller by sqrt(2 layers). The same seed gives
/// the same weights.
Decoder new_decoder(const DecoderConfig& config, uint64_t seed, const DecoderOptions& options = {});

/// A decoder made of layers of another, in this order, with its embeddings, final norm and head;
/// its parameters are float32 and its own.
/// @throws std::invalid_argument if a layer does not exist.
Decoder layers_of(const Decoder& teacher, const std::vector<int64_t>& layers,
                  const DecoderOptions& options = {});

/// The layers 0, n, 2n, ... of a decoder.
Decoder every_nth_layer(const Decoder& teacher, int64_t n, const DecoderOptions& options = {});

/// Writes a folder that `load_decoder` and transformers read: `model.safetensors`, `config.json`,
/// and from `source` the tokenizer's files, `generation_config.json` and chat template.
///
/// Each file is written beside and renamed; the weights come last, so a folder that has them is
/// whole.
///
/// @param source folder to copy those files from; empty for none.
/// @param dtype of the weights on disk: float32, float16 or bfloat16.
/// @throws std::runtime_error naming the file that cannot be written.
void save_decoder(const Decoder& decoder, const std::string& folder, const std::string& source = "",
                  c10::ScalarType dtype = c10::kFloat);

}  // namespace agents
