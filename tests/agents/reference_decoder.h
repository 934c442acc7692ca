#pragma once

/// A second, slower decoder to compare with: transformers' eager attention, one sequence at a time,
/// with padding wherever the mask says, straight from the names of the parameters.

#include <cmath>
#include <limits>
#include <string>

#include "agents/nets/decoder.h"
#include "rl/torch.h"

namespace agents {

class ReferenceDecoder {
 public:
  /// @param padding_id token whose embedding gets no gradient (transformers' `padding_idx`); ours
  /// has none such, because padding may share its id with EOS. Negative: none.
  explicit ReferenceDecoder(const Decoder& decoder, int64_t padding_id = -1)
      : config_(decoder->config()),
        parameters_(decoder->named_parameters()),
        padding_id_(padding_id) {}

  /// @param ids, mask int64[T]. A query without any visible key attends to all alike, as
  /// transformers' additive mask makes it.
  /// @return float32[T, V].
  torch::Tensor logits(const torch::Tensor& ids, const torch::Tensor& mask) const {
    const int64_t length = ids.size(0);
    const torch::Tensor positions = (mask.cumsum(0) - 1).clamp_min(0);
    torch::Tensor x = torch::embedding(at("embed"), ids, padding_id_);
    if (config_.is_gpt2()) x = x + at("positions").index({positions});
    const torch::Tensor index = torch::arange(length);
    const torch::Tensor distance = index.unsqueeze(1) - index;
    for (int64_t layer = 0; layer < config_.layers; ++layer) {
      torch::Tensor visible = distance.ge(0).logical_and(mask.eq(1));
      const int64_t window = config_.windows[layer];
      if (window > 0) visible = visible.logical_and(distance.lt(window));
      const std::string path =
          (config_.is_gpt2() ? "transformer.h." : "model.layers.") + std::to_string(layer) + ".";
      const bool gpt2 = config_.is_gpt2();
      x = x + attention(path, norm(x, path + (gpt2 ? "ln_1" : "input_layernorm")), positions,
                        visible, config_.attention_scales[layer]);
      x = x + feed_forward(path, norm(x, path + (gpt2 ? "ln_2" : "post_attention_layernorm")));
    }
    x = norm(x, config_.is_gpt2() ? "transformer.ln_f" : "model.norm");
    return torch::matmul(x, (config_.tied_head ? at("embed") : parameters_["lm_head.weight"]).t());
  }

 private:
  torch::Tensor at(const std::string& what) const {
    if (what == "positions") return parameters_["transformer.wpe.weight"];
    return parameters_[config_.is_gpt2() ? "transformer.wte.weight" : "model.embed_tokens.weight"];
  }

  torch::Tensor linear(const torch::Tensor& x, const std::string& path) const {
    const torch::Tensor weight = parameters_[path + ".weight"];
    const torch::Tensor y = torch::matmul(x, config_.is_gpt2() ? weight : weight.t());
    return parameters_.contains(path + ".bias") ? y + parameters_[path + ".bias"] : y;
  }

  torch::Tensor norm(const torch::Tensor& x, const std::string& path) const {
    const torch::Tensor weight = parameters_[path + ".weight"];
    if (!config_.is_gpt2()) {
      return weight * x / (x * x).mean(-1, true).add(config_.norm_epsilon).sqrt();
    }
    const torch::Tensor centred = x - x.mean(-1, true);
    return weight * centred / (centred * centred).mean(-1, true).add(config_.norm_epsilon).sqrt() +
           parameters_[path + ".bias"];
  }

  torch::Tensor rotate(const torch::Tensor& x, const torch::Tensor& positions) const {
    const int64_t width = config_.head_width;
    torch::Tensor frequency =
        torch::pow(config_.rope_theta, -torch::arange(0, width, 2).to(torch::kDouble) / width);
    if (config_.rope_scaling == RopeScaling::kLinear) frequency = frequency / config_.rope_factor;
    if (config_.rope_scaling == RopeScaling::kLlama3) {
      const double context = static_cast<double>(config_.rope_original_context);
      const double low = config_.rope_low_frequency_factor;
      const double high = config_.rope_high_frequency_factor;
      const torch::Tensor turns = context * frequency / (2 * M_PI);
      const torch::Tensor smooth = ((turns - low) / (high - low)).clamp(0, 1);
      frequency = smooth * frequency + (1 - smooth) * frequency / config_.rope_factor;
    }
    if (config_.rope_scaling == RopeScaling::kYarn) {
      const auto pair_of = [&](double turns) {
        const double context = static_cast<double>(config_.rope_original_context);
        return static_cast<double>(width) * std::log(context / (2 * M_PI * turns)) /
               (2 * std::log(config_.rope_theta));
      };
      const double low = std::max(0.0, std::floor(pair_of(config_.rope_beta_fast)));
      const double high = std::min<double>(static_cast<double>(width) - 1,
                                           std::ceil(pair_of(config_.rope_beta_slow)));
      const torch::Tensor ramp =
          ((torch::arange(width / 2).to(torch::kDouble) - low) / (high - low)).clamp(0, 1);
      frequency = ramp * frequency / config_.rope_factor + (1 - ramp) * frequency;
    }
    const torch::Tensor angle = positions.to(torch::kDouble).unsqueeze(1) * frequency;
    const torch::Tensor cosine = torch::cat({angle, angle}, 1).cos().to(torch::kFloat);
    const torch::Tensor sine = torch::cat({angle, angle}, 1).sin().to(torch::kFloat);
    const auto halves = x.chunk(2, -1);
    return (x * cosine + torch::cat({-halves[1], halves[0]}, -1) * sine) *
           config_.rope_attention_factor;
  }

  torch::Tensor attention(const std::string& path, const torch::Tensor& x,
                          const torch::Tensor& positions, const torch::Tensor& visible,
                          double scale) const {
    torch::Tensor query, key, value;
    if (config_.is_gpt2()) {
      const auto parts = linear(x, path + "attn.c_attn").chunk(3, -1);
      query = parts[0], key = parts[1], value = parts[2];
    } else {
      query = linear(x, path + "self_attn.q_proj");
      key = linear(x, path + "self_attn.k_proj");
      value = linear(x, path + "self_attn.v_proj");
    }
    std::vector<torch::Tensor> heads;
    const int64_t group = config_.heads / config_.key_value_heads;
    for (int64_t head = 0; head < config_.heads; ++head) {
      const auto part = [&](const torch::Tensor& all, int64_t which) {
        return all.narrow(1, which * config_.head_width, config_.head_width);
      };
      torch::Tensor q = part(query, head);
      torch::Tensor k = part(key, head / group);
      if (!config_.is_gpt2()) q = rotate(q, positions), k = rotate(k, positions);
      const torch::Tensor hidden =
          torch::where(visible, torch::zeros({}), std::numeric_limits<float>::lowest());
      const torch::Tensor probability =
          torch::softmax(torch::matmul(q, k.t()) * scale + hidden, -1);
      heads.push_back(torch::matmul(probability, part(value, head / group)));
    }
    return linear(torch::cat(heads, -1),
                  path + (config_.is_gpt2() ? "attn.c_proj" : "self_attn.o_proj"));
  }

  torch::Tensor feed_forward(const std::string& path, const torch::Tensor& x) const {
    if (!config_.is_gpt2()) {
      return linear(
          torch::silu(linear(x, path + "mlp.gate_proj")) * linear(x, path + "mlp.up_proj"),
          path + "mlp.down_proj");
    }
    const torch::Tensor in = linear(x, path + "mlp.c_fc");
    const torch::Tensor gelu =
        0.5 * in * (1 + torch::tanh(std::sqrt(2 / M_PI) * (in + 0.044715 * in.pow(3))));
    return linear(gelu, path + "mlp.c_proj");
  }

  DecoderConfig config_;
  torch::OrderedDict<std::string, torch::Tensor> parameters_;
  int64_t padding_id_;
};

}  // namespace agents
