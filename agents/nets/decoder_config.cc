#include "agents/nets/decoder_config.h"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "rl/check.h"
#include "rl/torch.h"

namespace agents {
namespace {

using Json = nlohmann::ordered_json;

// The keys of one JSON object, with errors that say where.
class Keys {
 public:
  Keys(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}

  [[noreturn]] void fail(const std::string& key, const std::string& expected) const {
    throw std::runtime_error(where_ + ": \"" + key + "\": expected " + expected + ", found " +
                             (has(key) ? object_.at(key).dump() : "nothing"));
  }

  // JSON's null is what transformers writes for "not set".
  bool has(const std::string& key) const {
    return object_.contains(key) && !object_.at(key).is_null();
  }

  int64_t count(const std::string& key, std::optional<int64_t> otherwise = {}) const {
    if (!has(key) && otherwise) return *otherwise;
    if (!has(key) || !object_.at(key).is_number_integer() || object_.at(key).get<int64_t>() < 1) {
      fail(key, "a positive integer");
    }
    return object_.at(key).get<int64_t>();
  }

  double number(const std::string& key, std::optional<double> otherwise = {}) const {
    if (!has(key) && otherwise) return *otherwise;
    if (!has(key) || !object_.at(key).is_number()) fail(key, "a number");
    return object_.at(key).get<double>();
  }

  double positive(const std::string& key, std::optional<double> otherwise = {}) const {
    const double value = number(key, otherwise);
    if (!(value > 0) || !std::isfinite(value)) fail(key, "a positive number");
    return value;
  }

  bool flag(const std::string& key, bool otherwise) const {
    if (!has(key)) return otherwise;
    if (!object_.at(key).is_boolean()) fail(key, "true or false");
    return object_.at(key).get<bool>();
  }

  std::string text(const std::string& key, std::optional<std::string> otherwise = {}) const {
    if (!has(key) && otherwise) return *otherwise;
    if (!has(key) || !object_.at(key).is_string()) fail(key, "a string");
    return object_.at(key).get<std::string>();
  }

  Keys object(const std::string& key) const {
    if (!object_.at(key).is_object()) fail(key, "an object");
    return {object_.at(key), where_ + ": \"" + key + "\""};
  }

  const Json& at(const std::string& key) const { return object_.at(key); }

 private:
  const Json& object_;
  std::string where_;
};

Activation parse_activation(const Keys& keys, const std::string& key, const char* otherwise) {
  const std::string name = keys.text(key, otherwise);
  if (name == "silu" || name == "swish") return Activation::kSilu;
  if (name == "gelu") return Activation::kGelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
  if (name == "relu") return Activation::kRelu;
  keys.fail(key, "one of silu, gelu, gelu_new, gelu_pytorch_tanh, relu");
}

c10::ScalarType parse_dtype(const Keys& keys) {
  const char* key = keys.has("dtype") ? "dtype" : "torch_dtype";
  const std::string name = keys.text(key, "float32");
  if (name == "float32") return c10::kFloat;
  if (name == "float16") return c10::kHalf;
  if (name == "bfloat16") return c10::kBFloat16;
  keys.fail(key, "one of float32, float16, bfloat16");
}

std::string dtype_name(c10::ScalarType dtype) {
  switch (dtype) {
    case c10::kFloat:
      return "float32";
    case c10::kHalf:
      return "float16";
    case c10::kBFloat16:
      return "bfloat16";
    default:
      throw std::invalid_argument("weights are saved as float32, float16 or bfloat16");
  }
}

std::vector<int64_t> parse_eos(const Keys& keys) {
  if (!keys.has("eos_token_id")) return {};
  const Json& eos = keys.at("eos_token_id");
  std::vector<int64_t> ids;
  for (const Json& id : eos.is_array() ? eos : Json::array({eos})) {
    if (!id.is_number_integer()) keys.fail("eos_token_id", "an integer or a list of integers");
    ids.push_back(id.get<int64_t>());
  }
  return ids;
}

void parse_yarn(const Keys& rope, DecoderConfig& config) {
  config.rope_scaling = RopeScaling::kYarn;
  for (const char* other : {"mscale", "mscale_all_dim"}) {
    if (rope.has(other)) rope.fail(other, "no such key");
  }
  if (!rope.flag("truncate", true)) rope.fail("truncate", "true");
  config.rope_original_context = rope.count("original_max_position_embeddings");
  config.rope_beta_fast = rope.positive("beta_fast", 32.0);
  config.rope_beta_slow = rope.positive("beta_slow", 1.0);
  const double factor = rope.positive("factor");
  config.rope_attention_factor =
      rope.positive("attention_factor", factor <= 1 ? 1.0 : 0.1 * std::log(factor) + 1.0);
}

// Either spelling: an object `rope_parameters` with everything, or `rope_theta` at the top with an
// optional object `rope_scaling`, whose kind older files call `type`.
void parse_rope(const Keys& keys, DecoderConfig& config) {
  const bool is_new = keys.has("rope_parameters");
  const Keys rope = is_new                     ? keys.object("rope_parameters")
                    : keys.has("rope_scaling") ? keys.object("rope_scaling")
                                               : keys;
  const bool has_scaling = is_new || keys.has("rope_scaling");
  config.rope_theta = (rope.has("rope_theta") ? rope : keys).positive("rope_theta", 10000.0);
  if (!has_scaling) return;
  const char* key = rope.has("rope_type") ? "rope_type" : "type";
  const std::string type = rope.text(key, "default");
  if (type == "default") return;
  if (type == "linear") {
    config.rope_scaling = RopeScaling::kLinear;
  } else if (type == "llama3") {
    config.rope_scaling = RopeScaling::kLlama3;
    config.rope_low_frequency_factor = rope.positive("low_freq_factor");
    config.rope_high_frequency_factor = rope.positive("high_freq_factor");
    config.rope_original_context = rope.count("original_max_position_embeddings");
    if (config.rope_high_frequency_factor <= config.rope_low_frequency_factor) {
      rope.fail("high_freq_factor", "a number above low_freq_factor");
    }
  } else if (type == "yarn") {
    parse_yarn(rope, config);
  } else {
    rope.fail(key, "one of default, linear, llama3, yarn");
  }
  config.rope_factor = rope.positive("factor");
}

void parse_gpt2(const Keys& keys, DecoderConfig& config) {
  if (keys.flag("add_cross_attention", false)) keys.fail("add_cross_attention", "false");
  config.width = keys.count("n_embd", 768);
  config.layers = keys.count("n_layer", 12);
  config.heads = keys.count("n_head", 12);
  config.key_value_heads = config.heads;
  if (config.width % config.heads != 0) keys.fail("n_head", "a divisor of n_embd");
  config.head_width = config.width / config.heads;
  config.intermediate_width = keys.count("n_inner", 4 * config.width);
  config.context = keys.count(keys.has("n_positions") ? "n_positions" : "n_ctx", 1024);
  config.activation = parse_activation(keys, "activation_function", "gelu_new");
  config.norm_epsilon = keys.positive("layer_norm_epsilon", 1e-5);
  config.tied_head = keys.flag("tie_word_embeddings", true);
  config.query_key_value_bias = config.attention_output_bias = config.feed_forward_bias = true;
  config.windows.assign(config.layers, 0);
  const double scale =
      keys.flag("scale_attn_weights", true) ? 1 / std::sqrt(config.head_width) : 1.0;
  const bool by_layer = keys.flag("scale_attn_by_inverse_layer_idx", false);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    config.attention_scales.push_back(by_layer ? scale / static_cast<double>(layer + 1) : scale);
  }
}

// Which layers see a window only: `layer_types` where given, else the rule of the family.
std::vector<int64_t> parse_windows(const Keys& keys, const DecoderConfig& config) {
  std::vector<int64_t> windows(config.layers, 0);
  const bool on = config.model_type == "mistral" ||
                  (config.model_type == "qwen2" && keys.flag("use_sliding_window", false));
  if (!on || !keys.has("sliding_window")) return windows;
  const int64_t window = keys.count("sliding_window");
  if (keys.has("layer_types")) {
    const Json& types = keys.at("layer_types");
    const std::string expected = "a list of full_attention or sliding_attention, one per layer (" +
                                 std::to_string(config.layers) + ")";
    if (!types.is_array() || static_cast<int64_t>(types.size()) != config.layers) {
      keys.fail("layer_types", expected);
    }
    for (int64_t layer = 0; layer < config.layers; ++layer) {
      if (types[layer] == "sliding_attention") {
        windows[layer] = window;
      } else if (types[layer] != "full_attention") {
        keys.fail("layer_types", expected);
      }
    }
    return windows;
  }
  const int64_t first =
      config.model_type == "qwen2" ? static_cast<int64_t>(keys.number("max_window_layers", 28)) : 0;
  for (int64_t layer = first; layer < config.layers; ++layer) windows[layer] = window;
  return windows;
}

void parse_llama(const Keys& keys, DecoderConfig& config) {
  config.width = keys.count("hidden_size");
  config.layers = keys.count("num_hidden_layers");
  config.heads = keys.count("num_attention_heads");
  config.key_value_heads = keys.count("num_key_value_heads", config.heads);
  if (config.heads % config.key_value_heads != 0) {
    keys.fail("num_key_value_heads", "a divisor of num_attention_heads");
  }
  if (!keys.has("head_dim") && config.width % config.heads != 0) {
    keys.fail("num_attention_heads", "a divisor of hidden_size");
  }
  config.head_width = keys.count("head_dim", config.width / config.heads);
  if (config.head_width % 2 != 0) keys.fail("head_dim", "an even number");
  config.intermediate_width = keys.count("intermediate_size");
  config.context = keys.count("max_position_embeddings", 2048);
  config.activation = parse_activation(keys, "hidden_act", "silu");
  config.norm_epsilon = keys.positive("rms_norm_eps", 1e-6);
  config.tied_head = keys.flag("tie_word_embeddings", false);
  if (config.model_type == "llama") {
    config.query_key_value_bias = config.attention_output_bias = keys.flag("attention_bias", false);
    config.feed_forward_bias = keys.flag("mlp_bias", false);
  } else if (config.model_type == "qwen2") {
    config.query_key_value_bias = true;
  }
  config.windows = parse_windows(keys, config);
  config.attention_scales.assign(config.layers, 1 / std::sqrt(config.head_width));
  parse_rope(keys, config);
}

}  // namespace

DecoderConfig parse_decoder_config(const std::string& json, const std::string& name) {
  Json object;
  try {
    object = Json::parse(json);
  } catch (const Json::parse_error& error) {
    throw std::runtime_error(name + ": not JSON: " + error.what());
  }
  if (!object.is_object()) throw std::runtime_error(name + ": expected a JSON object");
  const Keys keys(object, name);
  DecoderConfig config;
  config.json = json;
  config.model_type = keys.text("model_type");
  config.vocabulary_size = keys.count("vocab_size");
  config.initializer_range = keys.positive("initializer_range", 0.02);
  config.dtype = parse_dtype(keys);
  config.eos_ids = parse_eos(keys);
  if (config.model_type == "gpt2") {
    parse_gpt2(keys, config);
  } else if (config.model_type == "llama" || config.model_type == "qwen2" ||
             config.model_type == "mistral") {
    parse_llama(keys, config);
  } else {
    keys.fail("model_type", "one of gpt2, llama, mistral, qwen2");
  }
  return config;
}

DecoderConfig load_decoder_config(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  std::ostringstream text;
  text << file.rdbuf();
  return parse_decoder_config(text.str(), path);
}

std::string to_json(const DecoderConfig& config, c10::ScalarType dtype) {
  Json object = Json::parse(config.json);
  object[object.contains("torch_dtype") ? "torch_dtype" : "dtype"] = dtype_name(dtype);
  return object.dump(2) + "\n";
}

DecoderConfig with_layers(const DecoderConfig& config, const std::vector<int64_t>& layers) {
  rl::require(!layers.empty(), "a decoder needs at least one layer");
  Json object = Json::parse(config.json);
  Json types = Json::array();
  bool any_window = false;
  for (const int64_t layer : layers) {
    rl::require(layer >= 0 && layer < config.layers, "layer " + std::to_string(layer) +
                                                         " of a decoder of " +
                                                         std::to_string(config.layers) + " layers");
    types.push_back(config.windows[layer] > 0 ? "sliding_attention" : "full_attention");
    any_window = any_window || config.windows[layer] > 0;
  }
  object[config.is_gpt2() ? "n_layer" : "num_hidden_layers"] = layers.size();
  // The families' own rules count layers from the bottom, which no longer holds.
  if (any_window || object.contains("layer_types")) object["layer_types"] = types;
  return parse_decoder_config(object.dump(2) + "\n", "config.json");
}

}  // namespace agents
