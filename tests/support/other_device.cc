#include "tests/support/other_device.h"

#include <torch/cuda.h>
#include <torch/version.h>

#include "rl/torch.h"

#if TORCH_VERSION_MAJOR < 2
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace testing_support {
namespace {

using at::Tensor;
using Storage = c10::intrusive_ptr<c10::StorageImpl>;

// A type of device that LibTorch 1 knows and has nothing for.
constexpr auto kType = c10::DeviceType::XPU;
const c10::Device kOwn(kType, 0);

bool is_here(const Tensor& x) { return x.defined() && x.device().type() == kType; }

// Where the memory really is stands in the context of an address that nobody can read.
struct Hidden {
  Storage storage;
};

const Storage& hidden(const Tensor& x) {
  return static_cast<Hidden*>(x.storage().data_ptr().get_context())->storage;
}

c10::Storage hide(const c10::Storage& storage) {
  void* nowhere = reinterpret_cast<void*>(0x10);
  auto* context = new Hidden{Storage::reclaim_copy(storage.unsafeGetStorageImpl())};
  const auto forget = [](void* it) { delete static_cast<Hidden*>(it); };
  return {c10::Storage::use_byte_size_t(), storage.nbytes(),
          at::DataPtr(nowhere, context, forget, kOwn), nullptr, /*resizable=*/false};
}

// The same memory as a tensor of another device.
Tensor seen_from(c10::DispatchKey device, const Tensor& x, c10::Storage storage) {
  auto impl = c10::make_intrusive<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(device),
                                                   x.dtype());
  impl->set_sizes_and_strides(x.sizes(), x.strides(), x.storage_offset());
  return Tensor(std::move(impl));
}

Tensor on_host(const Tensor& x) {
  return seen_from(c10::DispatchKey::CPU, x, c10::Storage(hidden(x)));
}

Tensor on_device(const Tensor& x) { return seen_from(c10::DispatchKey::XPU, x, hide(x.storage())); }

// One operator, worked out by the host.
class Call {
 public:
  Call(const c10::OperatorHandle& op, torch::jit::Stack* stack) : op_(op), stack_(*stack) {}

  void run() {
    for (c10::IValue& value : last(op_.schema().arguments().size())) value = taken(value);
    const std::string& name = op_.schema().name();
    static const std::set<std::string> mixing = {"aten::index", "aten::_index_put_impl_"};
    if (!moved_.empty() && found_host_ && !mixing.contains(name)) {
      throw std::runtime_error(name + ": found tensors of two devices");
    }
    op_.callBoxed(&stack_);
    for (c10::IValue& value : last(op_.schema().returns().size())) value = given(value);
    for (const auto& [device, host] : moved_) follow(device, host);
  }

 private:
  std::span<c10::IValue> last(size_t count) { return std::span(stack_).last(count); }

  Tensor taken(const Tensor& x) {
    if (!is_here(x)) {
      found_host_ = found_host_ || (x.defined() && x.dim() > 0);
      return x;
    }
    moved_.emplace_back(x, on_host(x));
    return moved_.back().second;
  }
  c10::IValue taken(const c10::IValue& value) {
    if (value.isTensor()) return taken(value.toTensor());
    if (value.isDevice() && value.toDevice().type() == kType) return c10::Device(c10::kCPU);
    if (value.isTensorList()) {
      std::vector<Tensor> list;
      for (const Tensor& x : value.toTensorVector()) list.push_back(taken(x));
      return list;
    }
    if (value.isList() && value.toList().elementType()->kind() == c10::TypeKind::OptionalType) {
      c10::List<c10::optional<Tensor>> list;
      for (const c10::IValue& x : value.toListRef()) {
        list.push_back(x.isNone() ? c10::optional<Tensor>() : taken(x.toTensor()));
      }
      return list;
    }
    return value;
  }

  Tensor given(const Tensor& x) const {
    if (!x.defined()) return x;
    for (const auto& [device, host] : moved_) {
      if (host.is_same(x)) return device;
    }
    return on_device(x);
  }
  c10::IValue given(const c10::IValue& value) const {
    if (value.isTensor()) return given(value.toTensor());
    if (!value.isTensorList()) return value;
    std::vector<Tensor> list;
    for (const Tensor& x : value.toTensorVector()) list.push_back(given(x));
    return list;
  }

  // Operators may give a tensor that they write into another size.
  static void follow(const Tensor& device, const Tensor& host) {
    c10::TensorImpl* impl = device.unsafeGetTensorImpl();
    const bool moved = hidden(device).get() != host.storage().unsafeGetStorageImpl();
    if (moved || device.storage().nbytes() != host.storage().nbytes()) {
      impl->set_storage_keep_dtype(hide(host.storage()));
    }
    if (device.sizes() != host.sizes() || device.strides() != host.strides()) {
      impl->set_sizes_and_strides(host.sizes(), host.strides(), host.storage_offset());
    }
  }

  const c10::OperatorHandle& op_;
  torch::jit::Stack& stack_;
  std::vector<std::pair<Tensor, Tensor>> moved_;  // of the device, and as the host sees them
  bool found_host_ = false;
};

void run(const c10::OperatorHandle& op, torch::jit::Stack* stack) { Call(op, stack).run(); }

Tensor copy(const Tensor& from, const Tensor& to, bool) {
  Tensor target = is_here(to) ? on_host(to) : to;
  target.copy_(is_here(from) ? on_host(from) : from);
  return to;
}

TORCH_LIBRARY_IMPL(_, XPU, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&run>());
}
TORCH_LIBRARY_IMPL(aten, XPU, library) { library.impl("_copy_from", copy); }
C10_REGISTER_GUARD_IMPL(XPU, c10::impl::NoOpDeviceGuardImpl<kType>);

}  // namespace

std::optional<torch::Device> other_device() {
  return torch::cuda::is_available() ? torch::Device(torch::kCUDA, 0) : kOwn;
}

}  // namespace testing_support

#else

namespace testing_support {

std::optional<torch::Device> other_device() {
  if (!torch::cuda::is_available()) return std::nullopt;
  return torch::Device(torch::kCUDA, 0);
}

}  // namespace testing_support

#endif
