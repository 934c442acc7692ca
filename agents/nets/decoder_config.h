#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>
#include <vector>

namespace agents {

/// How the angles of rotary positions are stretched beyond the length of pre-training.
enum class RopeScaling { kNone, kLinear, kLlama3, kYarn };

/// The non-linearity between the two halves of a feed-forward block.
enum class Activation { kSilu, kGelu, kGeluTanh, kRelu };

/// The shape of a decoder, as a Hugging Face `config.json` tells it.
///
/// Families: GPT-2, Llama 2 and 3, Qwen2, Mistral. Both spellings are read (`rope_theta` with
/// `rope_scaling`, or `rope_parameters`; `torch_dtype` or `dtype`). Dropout rates are read past: Decant always runs
/// without dropout, so that the probability of an answer is one number.
struct DecoderConfig {
  std::string model_type;  // "gpt2", "llama", "qwen2", "mistral"
  int64_t vocabulary_size = 0;
  int64_t width = 0;  // D
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t key_value_heads = 0;
  int64_t head_width = 0;
  int64_t intermediate_width = 0;
  int64_t context = 0;  // most tokens of a sequence
  Activation activation = Activation::kSilu;
  double norm_epsilon = 1e-5;
  double initializer_range = 0.02;
  bool tied_head = false;  // the head is the token embedding
  bool query_key_value_bias = false;
  bool attention_output_bias = false;
  bool feed_forward_bias = false;
  std::vector<int64_t> windows;          // per layer: positions seen, own included; 0: all
  std::vector<double> attention_scales;  // per layer: factor of the scores
  double rope_theta = 10000;
  RopeScaling rope_scaling = RopeScaling::kNone;
  double rope_factor = 1;
  double rope_low_frequency_factor = 1;   // kLlama3
  double rope_high_frequency_factor = 4;  // kLlama3
  int64_t rope_original_context = 0;      // kLlama3, kYarn
  double rope_beta_fast = 32;             // kYarn: turns from which nothing is stretched
  double rope_beta_slow = 1;              // kYarn: turns up to which everything is
  double rope_attention_factor = 1;       // kYarn: factor of cosine and sine
  c10::ScalarType dtype = c10::kFloat;    // of the weights on disk
  std::vector<int64_t> eos_ids;           // empty where the file names none
  std::string json;                       // the file's own text: saving keeps its other keys

  bool is_gpt2() const { return model_type == "gpt2"; }
  /// Queries, keys and values of one position, side by side.
  int64_t query_key_value_width() const { return (heads + 2 * key_value_heads) * head_width; }
};

/// Reads a `config.json`.
///
/// @throws std::runtime_error on one line naming file, key, what was found and what is supported.
DecoderConfig load_decoder_config(const std::string& path);

/// The same from text.
/// @param name of the text in errors.
DecoderConfig parse_decoder_config(const std::string& json, const std::string& name);

/// The text of a `config.json` that is `config.json` with the type of the weights on disk.
std::string to_json(const DecoderConfig& config, c10::ScalarType dtype);

/// The config of a decoder made of some layers of another, in this order.
/// @throws std::invalid_argument if a layer does not exist or none is named.
DecoderConfig with_layers(const DecoderConfig& config, const std::vector<int64_t>& layers);

}  // namespace agents
