#include "rl/ops/linear.h"

#include <torch/torch.h>

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

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  // An empty bias stands for none: LibTorch takes no undefined tensors here.
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& weight, const Tensor& bias) {
    context->save_for_backward({x, weight});
    context->saved_data["has_bias"] = bias.numel() > 0;
    return product(x, weight, bias.numel() > 0 ? bias : Tensor());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor& x = saved[0];
    const Tensor& weight = saved[1];
    const Tensor gradient = gradients[0].reshape({-1, weight.size(0)});
    Tensor to_x, to_weight, to_bias;
    if (context->needs_input_grad(0)) {
      to_x = at::empty({gradient.size(0), weight.size(1)}, x.options());
      gemm(gradient, false, rounded_copy(weight, x.scalar_type()), false, 0, to_x);
      to_x = to_x.view(x.sizes());
    }
    if (context->needs_input_grad(1)) {
      to_weight = at::empty(weight.sizes(), weight.options());
      gemm(gradient, true, x.reshape({-1, weight.size(1)}), false, 0, to_weight);
    }
    if (context->saved_data["has_bias"].toBool() && context->needs_input_grad(2)) {
      to_bias = gradient.sum(0, false, weight.scalar_type());
    }
    return {to_x, to_weight, to_bias};
  }

  static Tensor product(const Tensor& x, const Tensor& weight, const Tensor& bias) {
    const Tensor rows = x.reshape({-1, weight.size(1)});
    Tensor out = at::empty({rows.size(0), weight.size(0)}, x.options());
    if (bias.defined()) out.copy_(bias.detach().expand_as(out));
    gemm(rows.detach(), false, rounded_copy(weight, x.scalar_type()), true, bias.defined() ? 1 : 0,
         out);
    std::vector<int64_t> sizes = x.sizes().vec();
    sizes.back() = weight.size(0);
    return out.view(sizes);
  }
};

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
  expect_shape(weight, {kAny, kAny}, "weight");
  require(x.dim() >= 1, "x: expected at least one dimension, found none");
  if (x.size(-1) != weight.size(1)) {
    std::vector<int64_t> expected(x.dim(), kAny);
    expected.back() = weight.size(1);
    expect_shape(x, expected, "x");
  }
  if (bias.defined()) expect_shape(bias, {weight.size(0)}, "bias");
  const bool differentiable =
      at::GradMode::is_enabled() &&
      (x.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()));
  if (!differentiable) return LinearFunction::product(x, weight, bias);
  return LinearFunction::apply(x, weight, bias.defined() ? bias : at::empty({0}, weight.options()));
}

}  // namespace rl::ops
