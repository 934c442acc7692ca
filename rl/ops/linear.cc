#include "rl/ops/linear.h"

#include <torch/torch.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

#ifdef DECANT_ONEDNN
#include <dnnl.h>
#endif

#include "rl/check.h"

namespace rl::ops {
namespace {

// Rounded copies by what they were made from. A weak reference keeps the address of a dead storage
// from being used again, so an address names one storage as long as its entry is here.
class RoundedCopies {
 public:
  Tensor of(const Tensor& weight, c10::ScalarType type) {
    const Key key{weight.storage().unsafeGetStorageImpl(), weight.storage_offset(),
                  weight.sizes().vec(), weight.strides().vec(), type};
    const auto version = weight.unsafeGetTensorImpl()->version_counter().current_version();
    const std::lock_guard lock(mutex_);
    const auto found = copies_.find(key);
    if (found != copies_.end() && found->second.version == version) return found->second.copy;
    std::erase_if(copies_, [](const auto& entry) { return entry.second.source.expired(); });
    const at::NoGradGuard no_grad;
    Tensor copy = weight.detach().to(type).contiguous();
    copies_.insert_or_assign(key, Entry{weight.storage().getWeakStorageImpl(), version, copy});
    return copy;
  }

 private:
  using Key = std::tuple<const c10::StorageImpl*, int64_t, std::vector<int64_t>,
                         std::vector<int64_t>, c10::ScalarType>;
  struct Entry {
    c10::weak_intrusive_ptr<c10::StorageImpl> source;
    uint32_t version;
    Tensor copy;
  };
  std::mutex mutex_;
  std::map<Key, Entry> copies_;
};

// A matrix as BLAS wants it: one stride is 1, and whether the columns are the unit ones.
struct Matrix {
  Tensor tensor;
  bool transposed;
  int64_t stride;
};

Matrix as_matrix(const Tensor& tensor, bool transpose) {
  const int64_t rows = tensor.size(0);
  const int64_t columns = tensor.size(1);
  if ((tensor.stride(1) == 1 || columns == 1) && (tensor.stride(0) >= columns || rows == 1)) {
    return {tensor, transpose, rows == 1 ? columns : tensor.stride(0)};
  }
  if ((tensor.stride(0) == 1 || rows == 1) && (tensor.stride(1) >= rows || columns == 1)) {
    return {tensor, !transpose, columns == 1 ? rows : tensor.stride(1)};
  }
  return {tensor.contiguous(), transpose, columns};
}

bool rows_are_dense(const Tensor& out) {
  return (out.stride(1) == 1 || out.size(1) == 1) &&
         (out.stride(0) >= out.size(1) || out.size(0) == 1);
}

#ifdef DECANT_ONEDNN
void gemm_float(const Matrix& a, const Matrix& b, double beta, Tensor& out, int64_t k) {
  const int64_t stride = out.size(0) == 1 ? out.size(1) : out.stride(0);
  const dnnl_status_t status =
      dnnl_sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', out.size(0), out.size(1), k, 1,
                 a.tensor.data_ptr<float>(), a.stride, b.tensor.data_ptr<float>(), b.stride,
                 static_cast<float>(beta), out.data_ptr<float>(), stride);
  if (status != dnnl_success) {
    throw std::runtime_error("oneDNN's matrix product failed with status " +
                             std::to_string(static_cast<int>(status)));
  }
}
#endif

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

Tensor product(const Tensor& x, const variable_list& weights, const variable_list& biases) {
  int64_t width = 0;
  for (const Tensor& weight : weights) width += weight.size(0);
  const at::NoGradGuard no_grad;
  const Tensor rows = x.detach().reshape({-1, x.size(-1)});
  const Tensor out = at::empty({rows.size(0), width}, x.options());
  std::vector<Tensor> columns = weights.size() == 1 ? std::vector{out} : columns_of(out, weights);
  for (size_t i = 0; i < weights.size(); ++i) {
    if (!biases.empty()) columns[i].copy_(biases[i].expand_as(columns[i]));
    gemm(rows, false, rounded_copy(weights[i], x.scalar_type()), true, biases.empty() ? 0 : 1,
         columns[i]);
  }
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = width;
  return out.view(sizes);
}

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  // LibTorch counts the tensors of a TensorList as inputs, not those of a vector.
  static Tensor forward(AutogradContext* context, const Tensor& x, at::TensorList weights,
                        at::TensorList biases) {
    variable_list saved{x};
    saved.insert(saved.end(), weights.begin(), weights.end());
    context->save_for_backward(saved);
    context->saved_data["has_bias"] = !biases.empty();
    return product(x, weights.vec(), biases.vec());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor& x = saved[0];
    const variable_list weights(saved.begin() + 1, saved.end());
    const Tensor gradient = gradients[0].reshape({-1, gradients[0].size(-1)});
    const std::vector<Tensor> columns = columns_of(gradient, weights);
    const size_t layers = weights.size();
    const bool has_bias = context->saved_data["has_bias"].toBool();
    variable_list result(1 + layers * (has_bias ? 2 : 1));
    if (context->needs_input_grad(0)) {
      Tensor to_x = at::empty({gradient.size(0), x.size(-1)}, x.options());
      for (size_t i = 0; i < layers; ++i) {
        gemm(columns[i], false, rounded_copy(weights[i], x.scalar_type()), false, i == 0 ? 0 : 1,
             to_x);
      }
      result[0] = to_x.view(x.sizes());
    }
    const Tensor rows = x.reshape({-1, x.size(-1)});
    for (size_t i = 0; i < layers; ++i) {
      if (context->needs_input_grad(1 + i)) {
        result[1 + i] = at::empty_like(weights[i]);
        gemm(columns[i], true, rows, false, 0, result[1 + i]);
      }
      if (has_bias && context->needs_input_grad(1 + layers + i)) {
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

}  // namespace

Tensor rounded_copy(const Tensor& weight, c10::ScalarType type) {
  // Never destroyed: threads may still hold on to it when the program ends.
  static auto& copies = *new RoundedCopies;
  if (weight.scalar_type() == type) return weight.detach();
  return copies.of(weight, type);
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
#ifdef DECANT_ONEDNN
  const bool all_float = a.scalar_type() == at::kFloat && b.scalar_type() == at::kFloat &&
                         out.scalar_type() == at::kFloat;
  if (all_float && a.device().is_cpu() && rows_are_dense(out)) {
    gemm_float(as_matrix(a, transpose_a), as_matrix(b, transpose_b), beta, out, k);
    return;
  }
#endif
  gemm_generic(transpose_a ? a.t() : a, transpose_b ? b.t() : b, beta, out);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return linear(x, std::vector{weight}, bias.defined() ? std::vector{bias} : std::vector<Tensor>());
}

Tensor linear(const Tensor& x, const std::vector<Tensor>& weights,
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
  return differentiable ? LinearFunction::apply(x, at::TensorList(weights), at::TensorList(biases))
                        : product(x, weights, biases);
}

}  // namespace rl::ops
