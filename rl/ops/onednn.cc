#include "rl/ops/onednn.h"

#include <map>
#include <mutex>
#include <stdexcept>
#include <tuple>

#include "rl/torch.h"

#ifdef DECANT_ONEDNN
#include <dnnl.hpp>
#endif

namespace rl::ops::onednn {

#ifdef DECANT_ONEDNN
namespace {

using dnnl::memory;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

dnnl::stream& stream() {
  thread_local dnnl::stream of_thread(engine());
  return of_thread;
}

memory::data_type type_of(c10::ScalarType type) {
  return type == at::kFloat ? memory::data_type::f32 : memory::data_type::bf16;
}

// op(x) as oneDNN sees it: sizes, and strides of which one is 1.
struct View {
  memory::dims sizes, strides;
  memory::data_type type;
  void* data;
};

View view_of(const Tensor& x, bool transpose) {
  View view{
      {x.size(0), x.size(1)}, {x.stride(0), x.stride(1)}, type_of(x.scalar_type()), x.data_ptr()};
  // The stride of a single row or column may be anything.
  if (view.sizes[1] == 1) view.strides[1] = 1;
  if (view.sizes[0] == 1) view.strides[0] = view.strides[1] == 1 ? view.sizes[1] : 1;
  if (transpose) {
    std::swap(view.sizes[0], view.sizes[1]);
    std::swap(view.strides[0], view.strides[1]);
  }
  return view;
}

dnnl::matmul::primitive_desc describe(const memory::desc& a, const memory::desc& b,
                                      const memory::desc& out, double beta) {
  dnnl::primitive_attr attributes;
  if (beta != 0) {
    dnnl::post_ops after;
    after.append_sum(static_cast<float>(beta));
    attributes.set_post_ops(after);
  }
#if DNNL_VERSION_MAJOR >= 3
  return {engine(), a, b, out, attributes};
#else
  return {dnnl::matmul::desc(a, b, out), attributes, engine()};
#endif
}

struct Product {
  dnnl::matmul primitive;
  memory::desc a, b, out;
};

// Making a product costs tens of microseconds even where oneDNN remembers it. Each thread keeps its
// own, so that none waits; a change of the number of threads makes new ones.
template <class Key, class Make>
const Product& remembered(const Key& key, const Make& make) {
  constexpr size_t kMost = 512;
  thread_local std::map<Key, Product> products;
  auto found = products.find(key);
  if (found == products.end()) {
    if (products.size() >= kMost) products.clear();
    found = products.emplace(key, make()).first;
  }
  return found->second;
}

void execute(const Product& product, void* a, void* b, void* out) {
  product.primitive.execute(stream(), {{DNNL_ARG_SRC, memory(product.a, engine(), a)},
                                       {DNNL_ARG_WEIGHTS, memory(product.b, engine(), b)},
                                       {DNNL_ARG_DST, memory(product.out, engine(), out)}});
  stream().wait();
}

// As dnnl_sgemm takes it: one stride is 1.
Tensor with_unit_stride(const Tensor& x) {
  const bool rows_dense =
      (x.stride(1) == 1 || x.size(1) == 1) && (x.stride(0) >= x.size(1) || x.size(0) == 1);
  const bool columns_dense =
      (x.stride(0) == 1 || x.size(0) == 1) && (x.stride(1) >= x.size(0) || x.size(1) == 1);
  return rows_dense || columns_dense ? x : x.contiguous();
}

// As oneDNN's fast bfloat16 products take it: without gaps. Others fall back to slow ones.
Tensor without_gaps(const Tensor& x) {
  return x.is_contiguous() || x.t().is_contiguous() ? x : x.contiguous();
}

bool columns_are_dense(const View& x) { return !(x.strides[1] == 1 && x.strides[0] >= x.sizes[1]); }

// dnnl_sgemm needs no making, and its large products are as fast.
void gemm_float(const View& a, const View& b, double beta, const View& out) {
  const bool a_transposed = columns_are_dense(a);
  const bool b_transposed = columns_are_dense(b);
  const dnnl_status_t status =
      dnnl_sgemm(a_transposed ? 'T' : 'N', b_transposed ? 'T' : 'N', out.sizes[0], out.sizes[1],
                 a.sizes[1], 1, static_cast<const float*>(a.data), a.strides[a_transposed ? 1 : 0],
                 static_cast<const float*>(b.data), b.strides[b_transposed ? 1 : 0],
                 static_cast<float>(beta), static_cast<float*>(out.data), out.strides[0]);
  if (status != dnnl_success) {
    throw std::runtime_error("oneDNN's matrix product failed with status " +
                             std::to_string(static_cast<int>(status)));
  }
}

// One for all weights of the same sizes, so that its address can stand for it.
std::shared_ptr<const memory::desc> packed_layout(const memory::dims& sizes,
                                                  memory::data_type type) {
  constexpr int64_t kRows = 16;  // any small number: oneDNN chooses the layout for it
  static std::mutex mutex;
  static auto& layouts =
      *new std::map<std::pair<memory::dims, memory::data_type>, std::shared_ptr<memory::desc>>;
  const std::lock_guard lock(mutex);
  auto& layout = layouts[{sizes, type}];
  if (!layout) {
    const auto chosen = describe(memory::desc({kRows, sizes[0]}, type, memory::format_tag::ab),
                                 memory::desc(sizes, type, memory::format_tag::any),
                                 memory::desc({kRows, sizes[1]}, type, memory::format_tag::ab), 0);
    layout = std::make_shared<memory::desc>(chosen.weights_desc());
  }
  return layout;
}

bool has_bfloat16() {
  try {
    const memory::desc square({16, 16}, memory::data_type::bf16, memory::format_tag::ab);
    describe(square, square, square, 0);
    return true;
  } catch (const dnnl::error&) {
    return false;
  }
}

}  // namespace

bool multiplies(c10::ScalarType type) {
  static const bool bfloat16 = has_bfloat16();
  return type == at::kFloat || (type == at::kBFloat16 && bfloat16);
}

void gemm(const Tensor& a, bool transpose_a, const Tensor& b, bool transpose_b, double beta,
          Tensor& out) {
  if (a.scalar_type() == at::kFloat) {
    const Tensor left = with_unit_stride(a);
    const Tensor right = with_unit_stride(b);
    gemm_float(view_of(left, transpose_a), view_of(right, transpose_b), beta, view_of(out, false));
    return;
  }
  const Tensor left = without_gaps(a);
  const Tensor right = without_gaps(b);
  const View va = view_of(left, transpose_a);
  const View vb = view_of(right, transpose_b);
  const View vo = view_of(out, false);
  const auto key = std::make_tuple(va.sizes, va.strides, vb.sizes, vb.strides, vo.strides, vo.type,
                                   beta, at::get_num_threads());
  const Product& product = remembered(key, [&] {
    const memory::desc da(va.sizes, va.type, va.strides);
    const memory::desc db(vb.sizes, vb.type, vb.strides);
    const memory::desc dout(vo.sizes, vo.type, vo.strides);
    return Product{dnnl::matmul(describe(da, db, dout, beta)), da, db, dout};
  });
  execute(product, va.data, vb.data, vo.data);
}

PackedWeight pack(const Tensor& weight, c10::ScalarType type) {
  const Tensor dense = with_unit_stride(weight);
  const View from = view_of(dense, true);
  const auto layout = packed_layout(from.sizes, type_of(type));
  PackedWeight packed{
      at::empty({static_cast<int64_t>(layout->get_size())}, weight.options().dtype(at::kByte)),
      layout};
  memory source(memory::desc(from.sizes, from.type, from.strides), engine(), from.data);
  memory target(*layout, engine(), packed.bytes.data_ptr());
  dnnl::reorder(source, target).execute(stream(), source, target);
  stream().wait();
  return packed;
}

void gemm(const Tensor& rows, const PackedWeight& weight, double beta, Tensor& out) {
  const View a = view_of(rows, false);
  const View o = view_of(out, false);
  const auto key = std::make_tuple(a.sizes, a.strides, a.type, o.sizes[1], o.strides, o.type, beta,
                                   weight.layout.get(), at::get_num_threads());
  const Product& product = remembered(key, [&] {
    const auto& layout = *static_cast<const memory::desc*>(weight.layout.get());
    const memory::desc da(a.sizes, a.type, a.strides);
    const memory::desc dout(o.sizes, o.type, o.strides);
    return Product{dnnl::matmul(describe(da, layout, dout, beta)), da, layout, dout};
  });
  execute(product, a.data, weight.bytes.data_ptr(), o.data);
}

#else

bool multiplies(c10::ScalarType) { return false; }

namespace {
[[noreturn]] void refuse() { throw std::logic_error("this program was built without oneDNN"); }
}  // namespace

void gemm(const Tensor&, bool, const Tensor&, bool, double, Tensor&) { refuse(); }
PackedWeight pack(const Tensor&, c10::ScalarType) { refuse(); }
void gemm(const Tensor&, const PackedWeight&, double, Tensor&) { refuse(); }

#endif

}  // namespace rl::ops::onednn
