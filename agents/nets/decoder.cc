#include "agents/nets/decoder.h"

#include <cmath>
#include <mutex>

#include "rl/check.h"
#include "rl/ops/linear.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

// Cosines and sines of all positions asked for so far, on the device they were asked for. Grows by
// doubling; may be asked by several threads.
class DecoderImpl::RotationTable {
 public:
  explicit RotationTable(const DecoderConfig& config)
      : context_(config.context), factor_(config.rope_attention_factor) {
    const int64_t half = config.head_width / 2;
    frequencies_.resize(half);
    for (int64_t i = 0; i < half; ++i) {
      // In float32 as transformers does, so that far positions turn by the same angle.
      const auto exponent = static_cast<float>(2 * i) / static_cast<float>(config.head_width);
      const float frequency = 1.0F / std::pow(static_cast<float>(config.rope_theta), exponent);
      frequencies_[i] = config.rope_scaling == RopeScaling::kYarn ? yarn(i, frequency, config)
                                                                  : scaled(frequency, config);
    }
  }

  kernels::Rotation upto(int64_t length, c10::Device device) {
    const std::lock_guard lock(mutex_);
    if (length > length_ || !table_.cosine.defined() || device != table_.cosine.device()) {
      while (length_ < length) length_ = std::min(std::max<int64_t>(64, 2 * length_), context_);
      const at::NoGradGuard no_grad;
      const Tensor angle =
          at::arange(length_, at::kFloat).unsqueeze(1) * at::tensor(frequencies_, at::kFloat);
      table_ = {(angle.cos() * factor_).to(device), (angle.sin() * factor_).to(device)};
    }
    return table_;
  }

 private:
  // Source: transformers, modeling_rope_utils.py; Llama 3's interpolates between a frequency and its
  // eighth (`factor`) by how often it turns within the context of pre-training.
  static float scaled(float frequency, const DecoderConfig& config) {
    const auto factor = static_cast<float>(config.rope_factor);
    if (config.rope_scaling == RopeScaling::kNone) return frequency;
    if (config.rope_scaling == RopeScaling::kLinear) return frequency / factor;
    const auto low = static_cast<float>(config.rope_low_frequency_factor);
    const auto high = static_cast<float>(config.rope_high_frequency_factor);
    const auto context = static_cast<float>(config.rope_original_context);
    const float wavelength = 2 * static_cast<float>(M_PI) / frequency;
    if (wavelength < context / high) return frequency;
    if (wavelength > context / low) return frequency / factor;
    const float smooth = (context / wavelength - low) / (high - low);
    return (1 - smooth) * frequency / factor + smooth * frequency;
  }

  // The pair that turns so often within the context of pre-training, as a real number.
  static double pair_of(double turns, const DecoderConfig& config) {
    const auto context = static_cast<double>(config.rope_original_context);
    return static_cast<double>(config.head_width) * std::log(context / (turns * 2 * M_PI)) /
           (2 * std::log(config.rope_theta));
  }

  // Pairs that turn often stay, pairs that turn seldom are stretched, those between are mixed.
  // Source: Peng et al. 2023, arXiv:2309.00071, section 3.2; transformers, modeling_rope_utils.py.
  static float yarn(int64_t pair, float frequency, const DecoderConfig& config) {
    const double low = std::max(0.0, std::floor(pair_of(config.rope_beta_fast, config)));
    const double last = static_cast<double>(config.head_width - 1);
    double high = std::min(last, std::ceil(pair_of(config.rope_beta_slow, config)));
    if (low == high) high += 0.001;
    const double ramp = std::clamp((static_cast<double>(pair) - low) / (high - low), 0.0, 1.0);
    const auto stretched = static_cast<float>(ramp);
    return frequency / static_cast<float>(config.rope_factor) * stretched +
           frequency * (1 - stretched);
  }

  const int64_t context_;
  const double factor_;
  std::vector<float> frequencies_;
  std::mutex mutex_;
  int64_t length_ = 0;
  kernels::Rotation table_;
};

DecoderImpl::DecoderImpl(DecoderConfig config, DecoderOptions options)
    : config_(std::move(config)), options_(options) {
  rl::require(options_.compute == c10::kFloat || options_.compute == c10::kBFloat16,
              "a decoder computes in float32 or bfloat16");
  rl::require(options_.vocabulary_size >= 0 && options_.vocabulary_size <= config_.vocabulary_size,
              "vocabulary of " + std::to_string(options_.vocabulary_size) +
                  " tokens: the decoder has embeddings for " +
                  std::to_string(config_.vocabulary_size));
  if (config_.is_gpt2()) {
    make_gpt2();
  } else {
    make_llama();
    rotation_ = std::make_shared<RotationTable>(config_);
  }
  head_ = config_.tied_head ? token_embedding_
                            : make("lm_head.weight", {config_.vocabulary_size, config_.width});
}

// Registers a parameter under a path like "model.layers.0.mlp.up_proj.weight", whose folders are
// modules without code.
Tensor DecoderImpl::make(const std::string& path, const std::vector<int64_t>& sizes) {
  torch::nn::Module* folder = this;
  size_t begin = 0;
  for (size_t dot; (dot = path.find('.', begin)) != std::string::npos; begin = dot + 1) {
    const std::string name = path.substr(begin, dot - begin);
    const auto children = folder->named_children();
    folder = children.contains(name)
                 ? children[name].get()
                 : folder->register_module(name, std::make_shared<torch::nn::Module>(name)).get();
  }
  return folder->register_parameter(path.substr(begin), at::empty(sizes, at::kFloat));
}

DecoderImpl::Linear DecoderImpl::make_linear(const std::string& path, int64_t out, int64_t in,
                                             bool has_bias) {
  const bool in_first = config_.is_gpt2();
  return {make(path + ".weight", in_first ? std::vector{in, out} : std::vector{out, in}),
          has_bias ? make(path + ".bias", {out}) : Tensor()};
}

DecoderImpl::Norm DecoderImpl::make_norm(const std::string& path) {
  return {make(path + ".weight", {config_.width}),
          config_.is_gpt2() ? make(path + ".bias", {config_.width}) : Tensor()};
}

void DecoderImpl::make_gpt2() {
  const DecoderConfig& c = config_;
  token_embedding_ = make("transformer.wte.weight", {c.vocabulary_size, c.width});
  position_embedding_ = make("transformer.wpe.weight", {c.context, c.width});
  for (int64_t i = 0; i < c.layers; ++i) {
    const std::string path = "transformer.h." + std::to_string(i);
    Layer layer;
    layer.attention_norm = make_norm(path + ".ln_1");
    layer.query_key_value = {
        make_linear(path + ".attn.c_attn", c.query_key_value_width(), c.width, true)};
    layer.attention_output = make_linear(path + ".attn.c_proj", c.width, c.width, true);
    layer.feed_forward_norm = make_norm(path + ".ln_2");
    layer.feed_forward_in = {make_linear(path + ".mlp.c_fc", c.intermediate_width, c.width, true)};
    layer.feed_forward_out = make_linear(path + ".mlp.c_proj", c.width, c.intermediate_width, true);
    layer.attention = {c.heads, c.key_value_heads, c.head_width, c.attention_scales[i],
                       c.windows[i]};
    layers_.push_back(std::move(layer));
  }
  final_norm_ = make_norm("transformer.ln_f");
}

void DecoderImpl::make_llama() {
  const DecoderConfig& c = config_;
  const int64_t query_width = c.heads * c.head_width;
  const int64_t key_value_width = c.key_value_heads * c.head_width;
  token_embedding_ = make("model.embed_tokens.weight", {c.vocabulary_size, c.width});
  for (int64_t i = 0; i < c.layers; ++i) {
    const std::string path = "model.layers." + std::to_string(i);
    const bool bias = c.query_key_value_bias;
    Layer layer;
    layer.query_key_value = {
        make_linear(path + ".self_attn.q_proj", query_width, c.width, bias),
        make_linear(path + ".self_attn.k_proj", key_value_width, c.width, bias),
        make_linear(path + ".self_attn.v_proj", key_value_width, c.width, bias)};
    layer.attention_output =
        make_linear(path + ".self_attn.o_proj", c.width, query_width, c.attention_output_bias);
    layer.feed_forward_in = {
        make_linear(path + ".mlp.gate_proj", c.intermediate_width, c.width, c.feed_forward_bias),
        make_linear(path + ".mlp.up_proj", c.intermediate_width, c.width, c.feed_forward_bias)};
    layer.feed_forward_out =
        make_linear(path + ".mlp.down_proj", c.width, c.intermediate_width, c.feed_forward_bias);
    layer.attention_norm = make_norm(path + ".input_layernorm");
    layer.feed_forward_norm = make_norm(path + ".post_attention_layernorm");
    layer.attention = {c.heads, c.key_value_heads, c.head_width, c.attention_scales[i],
                       c.windows[i]};
    layers_.push_back(std::move(layer));
  }
  final_norm_ = make_norm("model.norm");
}

Tensor DecoderImpl::head_weight() const {
  const int64_t size = vocabulary_size();
  return size == config_.vocabulary_size ? head_ : head_.narrow(0, 0, size);
}

int64_t DecoderImpl::vocabulary_size() const {
  return options_.vocabulary_size > 0 ? options_.vocabulary_size : config_.vocabulary_size;
}

Tensor DecoderImpl::token_rows(const Tensor& ids) const {
  return at::embedding(token_embedding_, ids.to(token_embedding_.device()));
}

KeyValueCache DecoderImpl::new_cache(int64_t rows, int64_t capacity) const {
  return {config_, rows, capacity, token_embedding_.options().dtype(options_.compute)};
}

void DecoderImpl::check_ids(const Tensor& ids) const {
  rl::expect_shape(ids, {rl::kAny, rl::kAny}, "ids");
  rl::require(ids.scalar_type() == at::kLong, "ids: expected int64");
  if (!ids.device().is_cpu()) return;
  const Tensor dense = ids.contiguous();
  const int64_t* id = dense.data_ptr<int64_t>();
  const int64_t further = further_embedding_.defined() ? further_embedding_.size(0) : 0;
  for (int64_t i = 0; i < dense.numel(); ++i) {
    if (id[i] >= 0 && id[i] < config_.vocabulary_size + further) continue;
    throw std::invalid_argument("id " + std::to_string(id[i]) + " at row " +
                                std::to_string(i / ids.size(1)) + ", position " +
                                std::to_string(i % ids.size(1)) + ": outside the vocabulary of " +
                                std::to_string(config_.vocabulary_size) + " tokens");
  }
}

Tensor DecoderImpl::embedded(const Tensor& ids) const {
  check_ids(ids);
  const Tensor id = ids.to(token_embedding_.device());
  if (!further_embedding_.defined()) return at::embedding(token_embedding_, id).to(at::kFloat);
  const int64_t size = config_.vocabulary_size;
  const Tensor known = at::embedding(token_embedding_, id.clamp_max(size - 1)).to(at::kFloat);
  const Tensor further = at::embedding(further_embedding_, (id - size).clamp_min(0));
  return at::where((id >= size).unsqueeze(-1), further, known);
}

Tensor DecoderImpl::with_positions(const Tensor& tokens, const Tensor& positions) const {
  if (!position_embedding_.defined()) return tokens;
  return tokens + at::embedding(position_embedding_, positions).to(at::kFloat);
}

Tensor DecoderImpl::apply(const std::vector<Linear>& layers, const Tensor& x) const {
  std::vector<Tensor> weights, biases;
  for (const Linear& layer : layers) {
    weights.push_back(config_.is_gpt2() ? layer.weight.t() : layer.weight);
    if (layer.bias.defined()) biases.push_back(layer.bias);
  }
  return rl::ops::linear(x, weights, biases);
}

Tensor DecoderImpl::query_key_value(size_t layer, const Tensor& x) const {
  const Tensor projected = apply(layers_[layer].query_key_value, x);
  return modules_ ? modules_->added(layer, x, projected) : projected;
}

kernels::Normed DecoderImpl::apply(const Norm& norm, const Tensor& residual,
                                   const Tensor& delta) const {
  if (norm.bias.defined()) {
    return kernels::add_layer_norm(residual, delta, norm.weight, norm.bias, config_.norm_epsilon,
                                   options_.compute);
  }
  return kernels::add_rms_norm(residual, delta, norm.weight, config_.norm_epsilon,
                               options_.compute);
}

Tensor DecoderImpl::feed_forward(const Layer& layer, const Tensor& x) const {
  const Tensor in = apply(layer.feed_forward_in, x);
  const Tensor middle = layer.feed_forward_in.size() == 2
                            ? kernels::gated(in, config_.activation)
                            : kernels::activate(in, config_.activation);
  return apply({layer.feed_forward_out}, middle);
}

Tensor DecoderImpl::forward(const Tensor& ids, int64_t from) {
  return forward_embedded(embedded(ids), from);
}

Tensor DecoderImpl::forward_embedded(const Tensor& tokens, int64_t from) {
  rl::expect_shape(tokens, {rl::kAny, rl::kAny, config_.width}, "embeddings");
  const int64_t length = tokens.size(1);
  rl::require(length <= config_.context, "a sequence of " + std::to_string(length) +
                                             " tokens exceeds the context of the decoder, " +
                                             std::to_string(config_.context));
  rl::require(from >= 0 && (from < length || length == 0), "from: expected a position below " +
                                                               std::to_string(length) + ", found " +
                                                               std::to_string(from));
  const auto device = token_embedding_.device();
  const kernels::Rotation rotation =
      rotation_ ? rotation_->upto(length, device) : kernels::Rotation();
  Tensor residual = with_positions(
      tokens,
      rotation_ ? Tensor() : at::arange(length, at::TensorOptions(device).dtype(at::kLong)));
  Tensor delta;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const kernels::Normed in = apply(layer.attention_norm, residual, delta);
    const bool last = i + 1 == layers_.size();
    const int64_t first = last ? from : 0;
    residual = first == 0 ? in.sum : in.sum.narrow(1, first, length - first);
    delta = apply(
        {layer.attention_output},
        kernels::causal_attention(query_key_value(i, in.normed), layer.attention, rotation, first));
    const kernels::Normed middle = apply(layer.feed_forward_norm, residual, delta);
    residual = middle.sum;
    delta = feed_forward(layer, middle.normed);
  }
  return apply(final_norm_, residual, delta).normed;
}

Tensor DecoderImpl::forward(const Tensor& ids, KeyValueCache& cache,
                            const std::vector<int64_t>& counts) {
  const at::NoGradGuard no_grad;
  const Tensor tokens = embedded(ids);
  rl::require(ids.size(0) == cache.rows(),
              "ids: expected a row for each of the " + std::to_string(cache.rows()) +
                  " rows of the cache, found " + std::to_string(ids.size(0)));
  const std::vector<int64_t> appended =
      counts.empty() ? std::vector<int64_t>(ids.size(0), ids.size(1)) : counts;
  cache.check_room(appended);
  const int64_t longest =
      cache.rows() == 0 ? 0 : *std::max_element(cache.lengths().begin(), cache.lengths().end());
  const auto device = token_embedding_.device();
  const int64_t reach = std::min(longest + ids.size(1), config_.context);
  const kernels::Rotation rotation =
      rotation_ ? rotation_->upto(reach, device) : kernels::Rotation();
  Tensor positions;
  if (!rotation_) {
    positions = (at::tensor(cache.lengths(), at::kLong).unsqueeze(1) + at::arange(ids.size(1)))
                    .clamp_max(config_.context - 1)
                    .to(device);
  }
  Tensor residual = with_positions(tokens, positions);
  Tensor delta;
  for (size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const kernels::Normed in = apply(layer.attention_norm, residual, delta);
    delta =
        apply({layer.attention_output},
              kernels::cached_attention(query_key_value(i, in.normed), layer.attention, rotation,
                                        cache.keys(i), cache.values(i), cache.lengths(), appended));
    const kernels::Normed middle = apply(layer.feed_forward_norm, in.sum, delta);
    residual = middle.sum;
    delta = feed_forward(layer, middle.normed);
  }
  cache.advance(appended);
  return apply(final_norm_, residual, delta).normed;
}

std::shared_ptr<DecoderImpl> DecoderImpl::with_further_ids(const Tensor& rows) const {
  rl::expect_shape(rows, {rl::kAny, config_.width}, "embeddings of further ids");
  auto result = std::make_shared<DecoderImpl>(config_, options_);
  const auto from = named_parameters();
  for (auto& to : result->named_parameters()) {
    to.value().set_data(from[to.key()].detach());
    to.value().set_requires_grad(false);
  }
  result->further_embedding_ = rows;
  return result;
}

std::shared_ptr<DecoderImpl> DecoderImpl::copy() const {
  auto copy = std::make_shared<DecoderImpl>(config_, options_);
  const auto from = named_parameters();
  for (auto& to : copy->named_parameters()) {
    const Tensor& original = from[to.key()];
    to.value().set_data(original.detach().clone());
    to.value().set_requires_grad(original.requires_grad());
  }
  if (modules_) copy->modules_ = modules_->copy();
  copy->further_embedding_ = further_embedding_;
  return copy;
}

std::shared_ptr<DecoderImpl> DecoderImpl::with_modules(std::shared_ptr<const Lora> modules) const {
  auto view = std::make_shared<DecoderImpl>(config_, options_);
  const auto from = named_parameters();
  for (auto& to : view->named_parameters()) {
    to.value().set_data(from[to.key()].detach());
    to.value().set_requires_grad(false);
  }
  view->modules_ = std::move(modules);
  return view;
}

}  // namespace agents
