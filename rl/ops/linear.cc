#include "rl/ops/linear.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

#include "rl/check.h"
#include "rl/ops/onednn.h"
#include "rl/torch.h"

namespace rl::ops {
namespace {

// What was made of some weights, by the weights. Weak references keep the addresses of dead storages
// from being used again, so an address names one storage as long as its entry is here.
template <class Copy>
class Copies {
 public:
  template <class Make>
  Copy of(const std::vector<Tensor>& weights, c10::ScalarType type, const Make& make) {
    Key key{{}, type};
    std::vector<uint32_t> versions;
    for (const Tensor& weight : weights) {
      key.first.push_back({weight.storage().unsafeGetStorageImpl(), weight.storage_offset(),
                           weight.size(0), weight.size(1), weight.stride(0), weight.stride(1)});
      versions.push_back(weight.unsafeGetTensorImpl()->version_counter().current_version());
    }
    const std::lock_guard lock(mutex_);
    const auto found = copies_.find(key);
    if (found != copies_.end() && found->second.versions == versions) return found->second.copy;
    std::erase_if(copies_, [](const auto& entry) { return entry.second.dead(); });
    const at::NoGradGuard no_grad;
    Entry entry{
        {}, versions, make(weights.size() == 1 ? weights[0].detach() : at::cat(weights), type)};
    for (const Tensor& weight : weights) {
      entry.sources.push_back(weight.storage().getWeakStorageImpl());
    }
    return copies_.insert_or_assign(std::move(key), std::move(entry)).first->second.copy;
  }

 private:
  using Place = std::tuple<const c10::StorageImpl*, int64_t, int64_t, int64_t, int64_t, int64_t>;
  using Key = std::pair<std::vector<Place>, c10::ScalarType>;
  struct Entry {
    std::vector<c10::weak_intrusive_ptr<c10::StorageImpl>> sources;
    std::vector<uint32_t> versions;
    Copy copy;

    bool dead() const {
      return std::any_of(sources.begin(), sources.end(),
                         [](const auto& source) { return source.expired(); });
    }
  };
  std::mutex mutex_;
  std::map<Key, Entry> copies_;
};

// One below the other. Both caches are never destroyed: threads may still hold on to them when the
// program ends.
onednn::PackedWeight packed_copy(const std::vector<Tensor>& weights, c10::ScalarType type) {
  static auto& copies = *new Copies<onednn::PackedWeight>;
  return copies.of(weights, type, onednn::pack);
}

Tensor rounded_copy(const std::vector<Tensor>& weights, c10::ScalarType type) {
  static auto& copies = *new Copies<Tensor>;
  if (weights.size() == 1 && weights[0].scalar_type() == type) return weights[0].detach();
  return copies.of(weights, type,
                   [](const Tensor& from, c10::ScalarType to) { return from.to(to).contiguous(); });
}

// Below so many rows reading the weight takes longer than multiplying, and its layout counts.
constexpr int64_t kFewRows = 128;

bool rows_are_dense(const Tensor& out) {
  return (out.stride(1) == 1 || out.size(1) == 1) &&
         (out.stride(0) >= out.size(1) || out.size(0) == 1);
}

void gemm_generic(const Tensor& a, const Tensor& b, double beta, Tensor& out) {
  const auto type = out.scalar_type();
  if (type == a.scalar_type() && rows_are_dense(out)) {
    at::addmm_out(out, out, a, b, beta, 1);
  } else if (beta == 0) {
    out.copy_(at::mm(a.to(type), b.to(type)));
  } else {
    out.mul_(beta).add_(at::mm(a.to(type), b.to(type)));
  }
}

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The layers' columns of a result: [N, F_i] each.
std::vector<Tensor> columns_of(const Tensor& out, const variable_list& weights) {
  std::vector<int64_t> widths;
  for (const Tensor& weight : weights) widths.push_back(weight.size(0));
  return out.split_with_sizes(widths, 1);
}

// float32 products write as fast into some columns of a result as into a whole one, so weights of
// that type are read where they are. Others are rounded, or put one below the other, once.
bool reads_in_place(const Tensor& x, const variable_list& weights) {
  return x.scalar_type() == weights[0].scalar_type() &&
         (weights.size() == 1 || x.scalar_type() != at::kBFloat16);
}

// @param keeps whether the weights are likely to stay as they are for more products.
// @param type of the result: x's, or float32 where x is bfloat16.
Tensor product(const Tensor& x, const variable_list& weights, const variable_list& biases,
               c10::ScalarType type, bool keeps) {
  int64_t width = 0;
  for (const Tensor& weight : weights) width += weight.size(0);
  const at::NoGradGuard no_grad;
  const Tensor rows = x.detach().reshape({-1, x.size(-1)});
  Tensor out = at::empty({rows.size(0), width}, x.options().dtype(type));
  if (!biases.empty()) out.copy_((biases.size() == 1 ? biases[0] : at::cat(biases)).expand_as(out));
  const double beta = biases.empty() ? 0 : 1;
  const bool packs = keeps && rows.size(0) > 0 && rows.size(0) <= kFewRows && rows.size(1) > 0 &&
                     x.device().is_cpu() && onednn::multiplies(x.scalar_type());
  if (packs) {
    onednn::gemm(rows.contiguous(), packed_copy(weights, x.scalar_type()), beta, out);
  } else if (reads_in_place(x, weights)) {
    std::vector<Tensor> columns = columns_of(out, weights);
    for (size_t i = 0; i < weights.size(); ++i) {
      gemm(rows, false, weights[i], true, beta, columns[i]);
    }
  } else {
    gemm(rows, false, rounded_copy(weights, x.scalar_type()), true, beta, out);
  }
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = width;
  return out.view(sizes);
}

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  // LibTorch counts the tensors of a TensorList as inputs, not those of a vector.
  static Tensor forward(AutogradContext* context, const Tensor& x, at::TensorList weights,
                        at::TensorList biases, c10::ScalarType type) {
    variable_list saved{x};
    saved.insert(saved.end(), weights.begin(), weights.end());
    context->save_for_backward(saved);
    context->saved_data["has_bias"] = !biases.empty();
    return product(x, weights.vec(), biases.vec(), type, false);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor& x = saved[0];
    const variable_list weights(saved.begin() + 1, saved.end());
    const Tensor gradient = gradients[0].reshape({-1, gradients[0].size(-1)}).to(x.scalar_type());
    const std::vector<Tensor> columns = columns_of(gradient, weights);
    const size_t layers = weights.size();
    const bool has_bias = context->saved_data["has_bias"].toBool();
    variable_list result(2 + layers * (has_bias ? 2 : 1));
    if (context->needs_input_grad(0)) {
      Tensor to_x = at::empty({gradient.size(0), x.size(-1)}, x.options());
      if (reads_in_place(x, weights)) {
        for (size_t i = 0; i < layers; ++i) {
          gemm(columns[i], false, weights[i], false, i == 0 ? 0 : 1, to_x);
        }
      } else {
        gemm(gradient, false, rounded_copy(weights, x.scalar_type()), false, 0, to_x);
      }
      result[0] = to_x.view(x.sizes());
    }
    if (context->needs_input_grad({{1, 1 + layers}})) {
      Tensor to_weights = layers == 1
                              ? at::empty_like(weights[0])
                              : at::empty({gradient.size(1), x.size(-1)}, weights[0].options());
      gemm(gradient, true, x.reshape({-1, x.size(-1)}), false, 0, to_weights);
      int64_t first = 0;
      for (size_t i = 0; i < layers; ++i) {
        result[1 + i] = layers == 1 ? to_weights : to_weights.narrow(0, first, weights[i].size(0));
        first += weights[i].size(0);
      }
    }
    for (size_t i = 0; has_bias && i < layers; ++i) {
      if (context->needs_input_grad(1 + layers + i)) {
        result[1 + layers + i] = columns[i].sum(0, false, weights[i].scalar_type());
      }
    }
    return result;
  }
};

bool any_requires_grad(const variable_list& tensors) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [](const Tensor& tensor) { return tensor.requires_grad(); });
}

Tensor linear_in(c10::ScalarType type, const Tensor& x, const std::vector<Tensor>& weights,
                 const std::vector<Tensor>& biases) {
  require(x.dim() >= 1, "x: expected at least one dimension, found none");
  require(!weights.empty(), "linear: expected at least one weight, found none");
  require(biases.empty() || biases.size() == weights.size(),
          "linear: expected a bias for each weight or none, found " +
              std::to_string(biases.size()) + " biases for " + std::to_string(weights.size()) +
              " weights");
  for (size_t i = 0; i < weights.size(); ++i) {
    expect_shape(weights[i], {kAny, x.size(-1)}, "weight");
    if (!biases.empty()) expect_shape(biases[i], {weights[i].size(0)}, "bias");
  }
  const bool differentiable =
      at::GradMode::is_enabled() &&
      (x.requires_grad() || any_requires_grad(weights) || any_requires_grad(biases));
  return differentiable
             ? LinearFunction::apply(x, at::TensorList(weights), at::TensorList(biases), type)
             : product(x, weights, biases, type, true);
}

// As a list: an undefined bias is none.
std::vector<Tensor> listed(const Tensor& bias) {
  return bias.defined() ? std::vector{bias} : std::vector<Tensor>();
}

}  // namespace

Tensor rounded_copy(const Tensor& weight, c10::ScalarType type) {
  return rounded_copy(std::vector{weight}, type);
}

void gemm(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, double beta,
          Tensor& out) {
  expect_shape(a, {kAny, kAny}, "a");
  expect_shape(b, {kAny, kAny}, "b");
  const int64_t m = a.size(transpose_a ? 1 : 0);
  const int64_t k = a.size(transpose_a ? 0 : 1);
  const int64_t n = b.size(transpose_b ? 0 : 1);
  expect_shape(b, transpose_b ? std::vector{n, k} : std::vector{k, n}, "b");
  expect_shape(out, {m, n}, "out");
  const at::NoGradGuard no_grad;
  if (m == 0 || n == 0) return;
  if (!rows_are_dense(out) && rows_are_dense(out.t())) {
    Tensor transposed = out.t();
    gemm(b, !transpose_b, a, !transpose_a, beta, transposed);
    return;
  }
  if (k == 0) {
    beta == 0 ? out.zero_() : out.mul_(beta);
    return;
  }
  const auto type = a.scalar_type();
  const bool types_fit =
      b.scalar_type() == type && (out.scalar_type() == type || out.scalar_type() == at::kFloat);
  if (types_fit && a.device().is_cpu() && onednn::multiplies(type) && rows_are_dense(out)) {
    onednn::gemm(a, transpose_a, b, transpose_b, beta, out);
    return;
  }
  gemm_generic(transpose_a ? a.t() : a, transpose_b ? b.t() : b, beta, out);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return linear_in(x.scalar_type(), x, {weight}, listed(bias));
}

Tensor linear(const Tensor& x, const std::vector<Tensor>& weights,
              const std::vector<Tensor>& biases) {
  return linear_in(x.scalar_type(), x, weights, biases);
}

Tensor linear_float32(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return linear_in(at::kFloat, x, {weight}, listed(bias));
}

}  // namespace rl::ops
