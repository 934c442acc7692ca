#include "agents/nets/kernels.h"

#include <limits>
#include <memory>

#include "agents/nets/cpu_kernels.h"
#include "rl/ops/linear.h"
#include "rl/torch.h"

namespace agents::kernels {
namespace {

// x [..., heads, head_width]; cosine and sine broadcast against [..., head_width / 2]. The halves of
// a head turn as one complex number each (transformers' rotate_half).
Tensor rotate(const Tensor& x, const Tensor& cosine, const Tensor& sine) {
  const auto halves = x.chunk(2, -1);
  return at::cat({halves[0] * cosine - halves[1] * sine, halves[1] * cosine + halves[0] * sine},
                 -1);
}

struct Heads {
  Tensor query, key, value;  // [B, T, heads, head_width]
};

// In float32 or better; rotated by cosine and sine [B or 1, T, 1, head_width / 2], if defined.
Heads split(const Tensor& query_key_value, const Attention& attention, const Tensor& cosine,
            const Tensor& sine) {
  const Tensor x =
      query_key_value
          .to(query_key_value.scalar_type() == at::kBFloat16 ? at::kFloat
                                                             : query_key_value.scalar_type())
          .unflatten(-1, {-1, attention.head_width});
  const auto parts = x.split_with_sizes(
      {attention.heads, attention.key_value_heads, attention.key_value_heads}, -2);
  if (!cosine.defined()) return {parts[0], parts[1], parts[2]};
  return {rotate(parts[0], cosine.to(x.scalar_type()), sine.to(x.scalar_type())),
          rotate(parts[1], cosine.to(x.scalar_type()), sine.to(x.scalar_type())), parts[2]};
}

// softmax(query key * scale) value where `visible`.
// query [B, H, T, d], key [B, G, d, S], value [B, G, S, d], visible bool[B or 1, 1, T, S].
Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& visible,
              const Attention& attention) {
  const int64_t group = attention.heads / attention.key_value_heads;
  const auto widen = [group](const Tensor& x) {
    return group == 1 ? x : x.repeat_interleave(group, 1);
  };
  const Tensor scores =
      (at::matmul(query, widen(key)) * attention.scale)
          .masked_fill(visible.logical_not(), -std::numeric_limits<float>::infinity());
  return at::matmul(at::softmax(scores, -1), widen(value));
}

// Who sees whom: query and key positions broadcast against each other.
Tensor sees(const Tensor& query_position, const Tensor& key_position, int64_t window) {
  const Tensor distance = query_position - key_position;
  const Tensor past = distance.ge(0);
  return window == 0 ? past : past.logical_and(distance.lt(window));
}

Tensor merge_heads(const Tensor& x, c10::ScalarType type) {
  return x.transpose(1, 2).flatten(2).to(type);
}

Tensor generic_causal_attention(const Tensor& query_key_value, const Attention& attention,
                                const Rotation& rotation, int64_t from) {
  const int64_t length = query_key_value.size(1);
  Tensor cosine, sine;
  if (rotation.cosine.defined()) {
    cosine = rotation.cosine.narrow(0, 0, length).unsqueeze(1);
    sine = rotation.sine.narrow(0, 0, length).unsqueeze(1);
  }
  const Heads heads = split(query_key_value, attention, cosine, sine);
  const Tensor position = at::arange(length, query_key_value.options().dtype(at::kLong));
  const int64_t queries = length - from;
  const Tensor visible =
      sees(position.narrow(0, from, queries).unsqueeze(1), position, attention.window);
  return merge_heads(
      attend(heads.query.narrow(1, from, queries).transpose(1, 2), heads.key.permute({0, 2, 3, 1}),
             heads.value.transpose(1, 2), visible, attention),
      query_key_value.scalar_type());
}

Tensor generic_cached_attention(const Tensor& query_key_value, const Attention& attention,
                                const Rotation& rotation, Tensor& keys, Tensor& values,
                                const std::vector<int64_t>& lengths,
                                const std::vector<int64_t>& counts) {
  const int64_t length = query_key_value.size(1);
  const auto options = query_key_value.options().dtype(at::kLong);
  const Tensor first = at::tensor(lengths, at::kLong).to(options.device()).unsqueeze(1);
  const Tensor count = at::tensor(counts, at::kLong).to(options.device()).unsqueeze(1);
  const Tensor offset = at::arange(length, options);
  const Tensor valid = offset.lt(count);                // [B, T]
  const Tensor position = (first + offset).mul(valid);  // padding reads position 0
  Tensor cosine, sine;
  if (rotation.cosine.defined()) {
    cosine = rotation.cosine.index({position}).unsqueeze(2);
    sine = rotation.sine.index({position}).unsqueeze(2);
  }
  const Heads heads = split(query_key_value, attention, cosine, sine);
  const auto where = valid.nonzero();
  const Tensor row = where.select(1, 0);
  const Tensor column = where.select(1, 1);
  const Tensor at_position = position.index({row, column});
  using torch::indexing::Slice;
  keys.index_put_({row, Slice(), Slice(), at_position},
                  heads.key.index({row, column}).to(keys.scalar_type()));
  values.index_put_({row, Slice(), at_position},
                    heads.value.index({row, column}).to(values.scalar_type()));
  const Tensor key_position = at::arange(keys.size(3), options);
  const Tensor visible = sees(position.unsqueeze(2), key_position, attention.window).unsqueeze(1);
  const auto type = heads.query.scalar_type();
  const Tensor out = merge_heads(
      attend(heads.query.transpose(1, 2), keys.to(type), values.to(type), visible, attention),
      query_key_value.scalar_type());
  return out.mul(valid.unsqueeze(2));
}

// --- On the fused kernels -----------------------------------------------------------------------

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool has_cpu_kernels(const Tensor& x) {
  return x.device().is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

// Calls `body` with the kernels for x's type and a null pointer of the type.
template <class Body>
void with_kernels(const Tensor& x, const Body& body) {
  if (x.scalar_type() == at::kFloat) {
    body(cpu_kernels().of_float, static_cast<float*>(nullptr));
  } else {
    body(cpu_kernels().of_bfloat16, static_cast<Bfloat16*>(nullptr));
  }
}

template <class T>
T* data(const Tensor& x) {
  return x.defined() ? static_cast<T*>(x.data_ptr()) : nullptr;
}

bool wants_gradient(std::initializer_list<Tensor> inputs) {
  if (!at::GradMode::is_enabled()) return false;
  return std::any_of(inputs.begin(), inputs.end(),
                     [](const Tensor& x) { return x.defined() && x.requires_grad(); });
}

// Rows of x over the threads.
template <class Body>
void for_rows(int64_t rows, int64_t width, const Body& body) {
  at::parallel_for(0, rows, std::max<int64_t>(1, 32768 / std::max<int64_t>(1, width)), body);
}

// The problem of row b and key-value head `head`, of positions [0, length).
template <class T>
AttentionProblem<T> problem_of(const Tensor& query_key_value, const Attention& a,
                               const Rotation& rotation, int64_t b, int64_t head, int64_t length,
                               int64_t from, int64_t first_position) {
  const int64_t group = a.heads / a.key_value_heads;
  const int64_t row = query_key_value.size(2);
  const T* base = data<T>(query_key_value) + b * query_key_value.size(1) * row;
  const int64_t offset = first_position * (a.head_width / 2);
  return {.query = base + head * group * a.head_width,
          .key = base + (a.heads + head) * a.head_width,
          .value = base + (a.heads + a.key_value_heads + head) * a.head_width,
          .row = row,
          .length = length,
          .from = from,
          .group = group,
          .head_width = a.head_width,
          .window = a.window,
          .scale = static_cast<float>(a.scale),
          .cosine = rotation.cosine.defined() ? data<float>(rotation.cosine) + offset : nullptr,
          .sine = rotation.sine.defined() ? data<float>(rotation.sine) + offset : nullptr};
}

struct Attended {
  Tensor out;          // [B, T - from, heads head_width]
  Tensor log_sum_exp;  // float32[B, heads, T - from]
};

Attended attend_on_cpu(const Tensor& query_key_value, const Attention& a, const Rotation& rotation,
                       int64_t from, bool for_backward) {
  const int64_t batch = query_key_value.size(0);
  const int64_t length = query_key_value.size(1);
  const int64_t group = a.heads / a.key_value_heads;
  const int64_t out_row = a.heads * a.head_width;
  Attended result;
  result.out = at::empty({batch, length - from, out_row}, query_key_value.options());
  if (for_backward) {
    result.log_sum_exp =
        at::empty({batch, a.heads, length - from}, query_key_value.options().dtype(at::kFloat));
  }
  with_kernels(query_key_value, [&](const auto& kernels, auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    at::parallel_for(0, batch * a.key_value_heads, 1, [&](int64_t begin, int64_t end) {
      const std::unique_ptr<float[]> scratch(new float[kernels.scratch(length, a.head_width)]);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t b = i / a.key_value_heads;
        const int64_t head = i % a.key_value_heads;
        T* out = data<T>(result.out) + b * (length - from) * out_row + head * group * a.head_width;
        float* log_sum_exp =
            for_backward ? data<float>(result.log_sum_exp) + i * group * (length - from) : nullptr;
        kernels.attend(problem_of<T>(query_key_value, a, rotation, b, head, length, from, 0), out,
                       out_row, log_sum_exp, scratch.get());
      }
    });
  });
  return result;
}

class AttentionFunction : public torch::autograd::Function<AttentionFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& query_key_value, const Attention& a,
                        const Rotation& rotation, int64_t from) {
    const Attended result = attend_on_cpu(query_key_value, a, rotation, from, true);
    context->save_for_backward(
        {query_key_value, result.out, result.log_sum_exp, rotation.cosine, rotation.sine});
    context->saved_data["sizes"] =
        std::vector<int64_t>{a.heads, a.key_value_heads, a.head_width, a.window, from};
    context->saved_data["scale"] = a.scale;
    return result.out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor& query_key_value = saved[0];
    const Tensor& out = saved[1];
    const Rotation rotation{saved[3], saved[4]};
    const auto sizes = context->saved_data["sizes"].toIntVector();
    const Attention a{sizes[0], sizes[1], sizes[2], context->saved_data["scale"].toDouble(),
                      sizes[3]};
    const int64_t from = sizes[4];
    const Tensor upstream = gradients[0].contiguous();
    const int64_t length = query_key_value.size(1);
    const int64_t group = a.heads / a.key_value_heads;
    const int64_t out_row = out.size(2);
    const Tensor result = at::empty_like(query_key_value);
    with_kernels(query_key_value, [&](const auto& kernels, auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      const int64_t problems = query_key_value.size(0) * a.key_value_heads;
      at::parallel_for(0, problems, 1, [&](int64_t begin, int64_t end) {
        const std::unique_ptr<float[]> scratch(
            new float[kernels.scratch_backward(length, a.head_width)]);
        for (int64_t i = begin; i < end; ++i) {
          const int64_t b = i / a.key_value_heads;
          const int64_t head = i % a.key_value_heads;
          const auto problem =
              problem_of<T>(query_key_value, a, rotation, b, head, length, from, 0);
          const int64_t out_offset = b * (length - from) * out_row + head * group * a.head_width;
          T* to = data<T>(result);
          const T* base = data<T>(query_key_value);
          kernels.attend_backward(
              problem,
              {.output = data<T>(out) + out_offset,
               .gradient = data<T>(upstream) + out_offset,
               .output_row = out_row,
               .log_sum_exp = data<float>(saved[2]) + i * group * (length - from),
               .query = to + (problem.query - base),
               .key = to + (problem.key - base),
               .value = to + (problem.value - base)},
              scratch.get());
        }
      });
    });
    return {result, Tensor(), Tensor(), Tensor()};
  }
};

void cached_attention_on_cpu(const Tensor& query_key_value, const Attention& a,
                             const Rotation& rotation, Tensor& keys, Tensor& values,
                             const std::vector<int64_t>& lengths,
                             const std::vector<int64_t>& counts, Tensor& out) {
  const int64_t group = a.heads / a.key_value_heads;
  const int64_t out_row = out.size(2);
  const int64_t capacity = values.size(2);
  with_kernels(query_key_value, [&](const auto& kernels, auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    int64_t scratch_size = 0;
    for (size_t b = 0; b < counts.size(); ++b) {
      scratch_size =
          std::max(scratch_size, kernels.scratch_cached(lengths[b], counts[b], a.head_width));
    }
    const int64_t problems = query_key_value.size(0) * a.key_value_heads;
    at::parallel_for(0, problems, 4, [&](int64_t begin, int64_t end) {
      const std::unique_ptr<float[]> scratch(new float[scratch_size]);
      for (int64_t i = begin; i < end; ++i) {
        const int64_t b = i / a.key_value_heads;
        const int64_t head = i % a.key_value_heads;
        if (counts[b] == 0) continue;
        const int64_t cache_offset = (b * a.key_value_heads + head) * capacity * a.head_width;
        kernels.attend_cached(
            {.fresh =
                 problem_of<T>(query_key_value, a, rotation, b, head, counts[b], 0, lengths[b]),
             .keys = data<T>(keys) + cache_offset,
             .values = data<T>(values) + cache_offset,
             .capacity = capacity,
             .before = lengths[b]},
            data<T>(out) + b * out.size(1) * out_row + head * group * a.head_width, out_row,
            scratch.get());
      }
    });
  });
}

struct RmsNormed {
  Tensor sum, normed, reciprocal;
};

// delta may be undefined; the sum is then the residual.
RmsNormed rms_norm_on_cpu(const Tensor& residual, const Tensor& delta, const Tensor& weight,
                          double epsilon, c10::ScalarType type) {
  const int64_t width = residual.size(-1);
  const int64_t rows = residual.numel() / width;
  RmsNormed result{
      delta.defined() ? at::empty_like(residual, at::MemoryFormat::Contiguous) : residual,
      at::empty(residual.sizes(), residual.options().dtype(type)),
      at::empty({rows}, residual.options())};
  with_kernels(result.normed, [&](const auto& kernels, auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    for_rows(rows, width, [&](int64_t begin, int64_t end) {
      const int64_t offset = begin * width;
      kernels.rms_norm(end - begin, width, data<float>(residual) + offset,
                       delta.defined() ? data<T>(delta) + offset : nullptr, data<float>(weight),
                       static_cast<float>(epsilon), data<float>(result.sum) + offset,
                       data<T>(result.normed) + offset, data<float>(result.reciprocal) + begin);
    });
  });
  return result;
}

struct RmsNormGradient {
  Tensor to_sum, to_delta, to_weight;
};

RmsNormGradient rms_norm_backward_on_cpu(const Tensor& sum, const Tensor& weight,
                                         const Tensor& reciprocal, const Tensor& of_sum,
                                         const Tensor& of_normed, bool wants_delta,
                                         bool wants_weight) {
  const int64_t width = sum.size(-1);
  const int64_t rows = sum.numel() / width;
  RmsNormGradient result;
  result.to_sum = at::empty_like(sum);
  const bool rounds = wants_delta && of_normed.scalar_type() != at::kFloat;
  if (rounds) result.to_delta = at::empty_like(of_normed);
  // A partial sum per thread, added in order, so that the same threads give the same bits.
  const int64_t parts = wants_weight ? std::min<int64_t>(at::get_num_threads(), rows) : 0;
  const Tensor partial = at::zeros({parts, width}, sum.options());
  with_kernels(of_normed, [&](const auto& kernels, auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    const int64_t tasks = std::max<int64_t>(1, parts > 0 ? parts : at::get_num_threads());
    at::parallel_for(0, tasks, 1, [&](int64_t first, int64_t last) {
      for (int64_t task = first; task < last; ++task) {
        const int64_t begin = rows * task / tasks;
        const int64_t end = rows * (task + 1) / tasks;
        const int64_t offset = begin * width;
        kernels.rms_norm_backward(end - begin, width, data<float>(sum) + offset,
                                  data<float>(weight), data<float>(reciprocal) + begin,
                                  of_sum.defined() ? data<float>(of_sum) + offset : nullptr,
                                  data<T>(of_normed) + offset, data<float>(result.to_sum) + offset,
                                  rounds ? data<T>(result.to_delta) + offset : nullptr,
                                  parts > 0 ? data<float>(partial) + task * width : nullptr);
      }
    });
  });
  if (wants_delta && !rounds) result.to_delta = result.to_sum;
  if (parts > 0) result.to_weight = partial.sum(0);
  return result;
}

// Of a residual alone.
class RmsNormFunction : public torch::autograd::Function<RmsNormFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& residual, const Tensor& weight,
                        double epsilon, c10::ScalarType type) {
    const RmsNormed result = rms_norm_on_cpu(residual, {}, weight, epsilon, type);
    context->save_for_backward({residual, weight, result.reciprocal});
    return result.normed;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const RmsNormGradient result =
        rms_norm_backward_on_cpu(saved[0], saved[1], saved[2], {}, gradients[0].contiguous(), false,
                                 context->needs_input_grad(1));
    return {result.to_sum, result.to_weight, Tensor(), Tensor()};
  }
};

class AddRmsNormFunction : public torch::autograd::Function<AddRmsNormFunction> {
 public:
  static variable_list forward(AutogradContext* context, const Tensor& residual,
                               const Tensor& delta, const Tensor& weight, double epsilon,
                               c10::ScalarType type) {
    const RmsNormed result = rms_norm_on_cpu(residual, delta, weight, epsilon, type);
    context->save_for_backward({result.sum, weight, result.reciprocal});
    context->set_materialize_grads(false);
    return {result.sum, result.normed};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor of_sum = gradients[0].defined() ? gradients[0].contiguous() : Tensor();
    const Tensor of_normed =
        gradients[1].defined() ? gradients[1].contiguous() : at::zeros_like(saved[0]);
    const RmsNormGradient result =
        rms_norm_backward_on_cpu(saved[0], saved[1], saved[2], of_sum, of_normed,
                                 context->needs_input_grad(1), context->needs_input_grad(2));
    return {result.to_sum, result.to_delta, result.to_weight, Tensor(), Tensor()};
  }
};

Tensor gated_silu_on_cpu(const Tensor& gate_up) {
  const int64_t width = gate_up.size(-1) / 2;
  std::vector<int64_t> sizes = gate_up.sizes().vec();
  sizes.back() = width;
  const Tensor out = at::empty(sizes, gate_up.options());
  with_kernels(gate_up, [&](const auto& kernels, auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    for_rows(width == 0 ? 0 : out.numel() / width, width, [&](int64_t begin, int64_t end) {
      kernels.gated_silu(end - begin, width, data<T>(gate_up) + begin * 2 * width,
                         data<T>(out) + begin * width);
    });
  });
  return out;
}

class GatedSiluFunction : public torch::autograd::Function<GatedSiluFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& gate_up) {
    context->save_for_backward({gate_up});
    return gated_silu_on_cpu(gate_up);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const Tensor gate_up = context->get_saved_variables()[0];
    const Tensor gradient = gradients[0].contiguous();
    const Tensor result = at::empty_like(gate_up);
    const int64_t width = gradient.size(-1);
    with_kernels(gate_up, [&](const auto& kernels, auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      for_rows(width == 0 ? 0 : gradient.numel() / width, width, [&](int64_t begin, int64_t end) {
        kernels.gated_silu_backward(end - begin, width, data<T>(gate_up) + begin * 2 * width,
                                    data<T>(gradient) + begin * width,
                                    data<T>(result) + begin * 2 * width);
      });
    });
    return {result};
  }
};

}  // namespace

Tensor causal_attention(const Tensor& query_key_value, const Attention& attention,
                        const Rotation& rotation, int64_t from) {
  if (!has_cpu_kernels(query_key_value)) {
    return generic_causal_attention(query_key_value, attention, rotation, from);
  }
  const Tensor dense = query_key_value.contiguous();
  if (wants_gradient({dense})) return AttentionFunction::apply(dense, attention, rotation, from);
  return attend_on_cpu(dense, attention, rotation, from, false).out;
}

Tensor cached_attention(const Tensor& query_key_value, const Attention& attention,
                        const Rotation& rotation, Tensor keys, Tensor values,
                        const std::vector<int64_t>& lengths, const std::vector<int64_t>& counts) {
  const at::NoGradGuard no_grad;
  const bool kernels_fit = keys.scalar_type() == query_key_value.scalar_type() &&
                           values.scalar_type() == query_key_value.scalar_type() &&
                           keys.size(3) % 16 == 0;
  if (!has_cpu_kernels(query_key_value) || !kernels_fit) {
    return generic_cached_attention(query_key_value, attention, rotation, keys, values, lengths,
                                    counts);
  }
  const int64_t batch = query_key_value.size(0);
  const int64_t length = query_key_value.size(1);
  const bool padded =
      std::any_of(counts.begin(), counts.end(), [length](int64_t count) { return count < length; });
  const std::vector<int64_t> sizes{batch, length, attention.heads * attention.head_width};
  Tensor out = padded ? at::zeros(sizes, query_key_value.options())
                      : at::empty(sizes, query_key_value.options());
  cached_attention_on_cpu(query_key_value.contiguous(), attention, rotation, keys, values, lengths,
                          counts, out);
  return out;
}

Normed add_rms_norm(const Tensor& residual, const Tensor& delta, const Tensor& weight,
                    double epsilon, c10::ScalarType type) {
  const bool kernels_fit = residual.scalar_type() == at::kFloat && has_cpu_kernels(residual) &&
                           (type == at::kFloat || type == at::kBFloat16) &&
                           (!delta.defined() || delta.scalar_type() == type);
  if (!kernels_fit) {
    const Tensor sum = delta.defined() ? residual + delta : residual;
    const Tensor scale = sum.square().mean(-1, true).add(epsilon).rsqrt();
    return {sum, (sum * scale * weight).to(type)};
  }
  const Tensor stream = residual.contiguous();
  const Tensor scale =
      weight.scalar_type() == at::kFloat ? weight.contiguous() : weight.to(at::kFloat);
  if (!delta.defined()) {
    return {residual, wants_gradient({stream, scale})
                          ? RmsNormFunction::apply(stream, scale, epsilon, type)
                          : rms_norm_on_cpu(stream, {}, scale, epsilon, type).normed};
  }
  const Tensor added = delta.contiguous();
  if (wants_gradient({stream, added, scale})) {
    const auto result = AddRmsNormFunction::apply(stream, added, scale, epsilon, type);
    return {result[0], result[1]};
  }
  const RmsNormed result = rms_norm_on_cpu(stream, added, scale, epsilon, type);
  return {result.sum, result.normed};
}

Normed add_layer_norm(const Tensor& residual, const Tensor& delta, const Tensor& weight,
                      const Tensor& bias, double epsilon, c10::ScalarType type) {
  const Tensor sum = delta.defined() ? residual + delta : residual;
  const auto exact = sum.scalar_type();
  return {sum,
          at::layer_norm(sum, {sum.size(-1)}, weight.to(exact), bias.to(exact), epsilon).to(type)};
}

Tensor activate(const Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return at::silu(x);
    case Activation::kGelu:
      return at::gelu(x);
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kRelu:
      return at::relu(x);
  }
  return {};
}

Tensor gated(const Tensor& gate_up, Activation activation) {
  if (activation == Activation::kSilu && has_cpu_kernels(gate_up)) {
    const Tensor dense = gate_up.contiguous();
    return wants_gradient({dense}) ? GatedSiluFunction::apply(dense) : gated_silu_on_cpu(dense);
  }
  const auto halves = gate_up.chunk(2, -1);
  return activate(halves[0], activation) * halves[1];
}

}  // namespace agents::kernels
