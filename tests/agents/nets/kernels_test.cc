#include "agents/nets/kernels.h"

#include <gtest/gtest.h>

#include <functional>

#include "rl/torch.h"

namespace agents::kernels {
namespace {

struct Case {
  int64_t length, heads, key_value_heads, head_width, window, from;
  bool rotates;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.length << "_" << c.heads << "_" << c.key_value_heads << "_" << c.head_width << "_"
             << c.window << "_" << c.from << "_" << c.rotates;
}

Rotation rotation_of(const Case& c) {
  if (!c.rotates) return {};
  const Tensor angle = torch::rand({c.length + 4, c.head_width / 2}) * 6;
  return {angle.cos(), angle.sin()};
}

// Value and gradients of f for a fixed upstream gradient, as float64.
std::vector<Tensor> value_and_gradients(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                                        const std::vector<Tensor>& inputs, c10::ScalarType type) {
  std::vector<Tensor> leaves;
  for (const Tensor& input : inputs) {
    leaves.push_back(input.detach().to(type).clone().requires_grad_());
  }
  const Tensor value = f(leaves);
  const Tensor upstream = torch::arange(value.numel(), torch::kDouble).view(value.sizes()).cos();
  std::vector<Tensor> result = torch::autograd::grad({value}, leaves, {upstream.to(value.dtype())});
  result.insert(result.begin(), value.detach());
  for (Tensor& tensor : result) tensor = tensor.to(torch::kDouble);
  return result;
}

// float64 runs on LibTorch's operators, float32 and bfloat16 on the fused kernels.
void expect_same(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                 const std::vector<Tensor>& inputs) {
  const auto exact = value_and_gradients(f, inputs, torch::kDouble);
  const auto found = value_and_gradients(f, inputs, torch::kFloat);
  std::vector<Tensor> rounded;
  for (const Tensor& input : inputs) rounded.push_back(input.to(torch::kBFloat16));
  const auto exact_of_rounded = value_and_gradients(f, rounded, torch::kDouble);
  const auto rough = value_and_gradients(f, rounded, torch::kBFloat16);
  for (size_t i = 0; i < exact.size(); ++i) {
    const double size = exact[i].abs().max().item<double>() + 1e-3;
    EXPECT_LT((exact[i] - found[i]).abs().max().item<double>(), 1e-5 * size) << "result " << i;
    // Rounded once on the way out: half of 2^-8, and the saved output of attention once more.
    EXPECT_LT((exact_of_rounded[i] - rough[i]).abs().max().item<double>(), 1.5e-2 * size)
        << "bfloat16 result " << i;
  }
}

class AttentionKernels : public testing::TestWithParam<Case> {};

TEST_P(AttentionKernels, AgreeWithTheOperators) {
  const Case c = GetParam();
  torch::manual_seed(11);
  const Attention attention{c.heads, c.key_value_heads, c.head_width, 0.3, c.window};
  const Rotation rotation = rotation_of(c);
  const Tensor x = torch::randn({2, c.length, (c.heads + 2 * c.key_value_heads) * c.head_width});
  expect_same(
      [&](const std::vector<Tensor>& in) {
        return causal_attention(in[0], attention, rotation, c.from);
      },
      {x});
}

// Reading the positions in pieces through a cache is the same as reading them at once.
TEST_P(AttentionKernels, AgreeThroughACache) {
  const Case c = GetParam();
  torch::manual_seed(12);
  const Attention attention{c.heads, c.key_value_heads, c.head_width, 0.3, c.window};
  const Rotation rotation = rotation_of(c);
  const Tensor x = torch::randn({2, c.length, (c.heads + 2 * c.key_value_heads) * c.head_width});
  const Tensor whole = causal_attention(x, attention, rotation);
  for (const auto type : {torch::kFloat, torch::kDouble}) {
    const int64_t room = (c.length + 15) / 16 * 16;
    Tensor keys = torch::zeros({2, c.key_value_heads, c.head_width, room}, type);
    Tensor values = torch::zeros({2, c.key_value_heads, room, c.head_width}, type);
    std::vector<Tensor> pieces;
    int64_t done = 0;
    for (const int64_t piece : {c.length - c.length / 3, c.length / 3 - 1, int64_t{1}}) {
      const int64_t size = std::min(std::max<int64_t>(piece, 0), c.length - done);
      if (size == 0) continue;
      pieces.push_back(cached_attention(x.narrow(1, done, size).to(type), attention, rotation, keys,
                                        values, {done, done}, {size, size}));
      done += size;
    }
    ASSERT_EQ(done, c.length);
    EXPECT_LT((torch::cat(pieces, 1) - whole).abs().max().item<double>(), 2e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Agents, AttentionKernels,
    testing::Values(Case{1, 2, 2, 16, 0, 0, true}, Case{5, 4, 2, 12, 0, 0, true},
                    Case{5, 4, 2, 12, 0, 3, true}, Case{50, 2, 2, 32, 0, 0, false},
                    Case{50, 6, 2, 8, 7, 0, true}, Case{131, 4, 1, 24, 0, 0, true},
                    Case{131, 2, 2, 64, 0, 70, true}, Case{131, 2, 1, 16, 20, 100, true},
                    Case{49, 1, 1, 128, 16, 48, true}));

TEST(CachedAttention, ReadsRowsOfUnequalLengths) {
  torch::manual_seed(13);
  const Attention attention{2, 1, 8, 0.5, 0};
  const Tensor angle = torch::rand({20, 4}) * 6;
  const Rotation rotation{angle.cos(), angle.sin()};
  const Tensor x = torch::randn({2, 12, 32});
  const Tensor whole = causal_attention(x, attention, rotation);
  for (const auto type : {torch::kFloat, torch::kDouble}) {
    Tensor keys = torch::zeros({2, 1, 8, 16}, type);
    Tensor values = torch::zeros({2, 1, 16, 8}, type);
    const Tensor typed = x.to(type);
    const Tensor first =
        cached_attention(typed.narrow(1, 0, 9), attention, rotation, keys, values, {0, 0}, {9, 4});
    EXPECT_LT((first[0] - whole[0].narrow(0, 0, 9)).abs().max().item<double>(), 1e-5);
    EXPECT_LT((first[1].narrow(0, 0, 4) - whole[1].narrow(0, 0, 4)).abs().max().item<double>(),
              1e-5);
    EXPECT_EQ(first[1].narrow(0, 4, 5).abs().max().item<double>(), 0);
    const Tensor next = torch::stack({typed[0].narrow(0, 9, 3), typed[1].narrow(0, 4, 3)});
    const Tensor second = cached_attention(next, attention, rotation, keys, values, {9, 4}, {3, 3});
    EXPECT_LT((second[0] - whole[0].narrow(0, 9, 3)).abs().max().item<double>(), 1e-5);
    EXPECT_LT((second[1] - whole[1].narrow(0, 4, 3)).abs().max().item<double>(), 1e-5);
  }
}

TEST(RmsNorm, AgreesWithTheOperators) {
  torch::manual_seed(14);
  const Tensor residual = torch::randn({3, 5, 20});
  const Tensor delta = torch::randn({3, 5, 20});
  const Tensor weight = torch::randn({20});
  const auto weighted = [](const Normed& n) { return n.normed.to(n.sum.dtype()) + 0.5 * n.sum; };
  for (const auto type : {torch::kFloat, torch::kBFloat16}) {
    const auto f = [&](const std::vector<Tensor>& in) {
      const bool exact = in[0].scalar_type() == torch::kDouble;
      const auto to = exact ? torch::kDouble : type;
      return weighted(add_rms_norm(in[0], in[1].to(to), in[2], 1e-5, to));
    };
    const auto exact = value_and_gradients(f, {residual, delta, weight}, torch::kDouble);
    const auto found = value_and_gradients(f, {residual, delta, weight}, torch::kFloat);
    for (size_t i = 0; i < exact.size(); ++i) {
      const double size = exact[i].abs().max().item<double>();
      EXPECT_LT((exact[i] - found[i]).abs().max().item<double>(),
                (type == torch::kFloat ? 1e-5 : 2e-2) * size)
          << "result " << i;
    }
  }
}

TEST(RmsNorm, OfAResidualAloneAgreesWithTheOperators) {
  torch::manual_seed(15);
  const auto f = [](const std::vector<Tensor>& in) {
    const Normed n = add_rms_norm(in[0], {}, in[1], 1e-5, in[0].scalar_type());
    return n.normed + 0.5 * n.sum;
  };
  const std::vector<Tensor> inputs{torch::randn({7, 33}), torch::randn({33})};
  const auto exact = value_and_gradients(f, inputs, torch::kDouble);
  const auto found = value_and_gradients(f, inputs, torch::kFloat);
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_LT((exact[i] - found[i]).abs().max().item<double>(),
              1e-5 * exact[i].abs().max().item<double>());
  }
}

TEST(GatedSilu, AgreesWithTheOperators) {
  torch::manual_seed(16);
  const auto f = [](const std::vector<Tensor>& in) { return gated(in[0], Activation::kSilu); };
  expect_same(f, {torch::randn({3, 5, 42}) * 3});
  // Far out the gate is shut or open, not NaN.
  const Tensor far = torch::tensor({{-200.f, -90.f, 90.f, 200.f, 1.f, 1.f, 1.f, 1.f}});
  EXPECT_TRUE(gated(far, Activation::kSilu).allclose(torch::tensor({{0.f, 0.f, 90.f, 200.f}})));
}

TEST(Attention, PassesNanOn) {
  Tensor x = torch::randn({1, 4, 24});
  x[0][2][0] = NAN;
  const Tensor out = causal_attention(x, {1, 1, 8, 1.0, 0}, {});
  EXPECT_TRUE(out[0][2].isnan().any().item<bool>());
  EXPECT_FALSE(out[0].narrow(0, 0, 2).isnan().any().item<bool>());
}

}  // namespace
}  // namespace agents::kernels
