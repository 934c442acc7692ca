#include "agents/inference.h"

#include <algorithm>

#include "rl/check.h"
#include "rl/ops/linear.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

Unpadded unpad(const Tensor& ids, const Tensor& attention_mask) {
  rl::expect_shape(ids, {rl::kAny, rl::kAny}, "input_ids");
  rl::expect_shape(attention_mask, ids.sizes().vec(), "attention_mask");
  Unpadded result{at::zeros_like(ids), {}, {}};
  const Tensor mask = attention_mask.to(at::kLong).contiguous();
  for (int64_t row = 0; row < ids.size(0); ++row) {
    const int64_t* begin = mask[row].data_ptr<int64_t>();
    const int64_t* end = begin + ids.size(1);
    const int64_t* first = std::find(begin, end, 1);
    const int64_t* last = std::find_if(first, end, [](int64_t m) { return m != 1; });
    rl::require(
        std::count(begin, first, 0) + std::count(last, end, 0) + (last - first) == ids.size(1),
        "attention_mask: row " + std::to_string(row) + " is not one run of ones");
    const int64_t length = last - first;
    result.firsts.push_back(length == 0 ? 0 : first - begin);
    result.lengths.push_back(length);
    result.ids[row].narrow(0, 0, length).copy_(ids[row].narrow(0, result.firsts.back(), length));
  }
  return result;
}

Tensor logits(Decoder& decoder, const Tensor& ids, const Tensor& attention_mask) {
  const at::NoGradGuard no_grad;
  const Unpadded rows = unpad(ids, attention_mask);
  const Tensor found =
      rl::ops::linear_float32(decoder->forward(rows.ids), decoder->head_weight()).to(at::kCPU);
  Tensor result = at::zeros_like(found);
  for (int64_t row = 0; row < ids.size(0); ++row) {
    const int64_t length = rows.lengths[row];
    result[row].narrow(0, rows.firsts[row], length).copy_(found[row].narrow(0, 0, length));
  }
  return result;
}

Tensor greedy(Decoder& decoder, const Tensor& ids, const Tensor& attention_mask, int64_t n) {
  const at::NoGradGuard no_grad;
  const Unpadded rows = unpad(ids, attention_mask);
  const int64_t batch = ids.size(0);
  for (int64_t row = 0; row < batch; ++row) {
    rl::require(rows.lengths[row] > 0, "row " + std::to_string(row) + " has no token");
  }
  const int64_t longest =
      batch == 0 ? 0 : *std::max_element(rows.lengths.begin(), rows.lengths.end());
  Tensor result = at::zeros({batch, n}, at::kLong);
  if (batch == 0 || n == 0) return result;
  KeyValueCache cache = decoder->new_cache(batch, longest + n - 1);
  const Tensor read = decoder->forward(rows.ids.narrow(1, 0, longest), cache, rows.lengths);
  const Tensor last = at::tensor(rows.lengths, at::kLong).sub(1).to(read.device());
  Tensor hidden = read.index({at::arange(batch, last.options()), last});
  for (int64_t i = 0; i < n; ++i) {
    if (i > 0) hidden = decoder->forward(result.narrow(1, i - 1, 1), cache).squeeze(1);
    const Tensor best = rl::ops::linear_float32(hidden, decoder->head_weight()).argmax(-1);
    result.select(1, i).copy_(best);
  }
  return result;
}

}  // namespace agents
