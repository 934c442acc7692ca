#include "rl/ops/linear.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "rl/check.h"
#include "rl/torch.h"

namespace rl {
namespace {

// Value and gradients of both for the same upstream gradient. float32 sums in another order differ
// by a few units in the last place per added term.
void expect_as_at_linear(const Tensor& x, const Tensor& weight, const Tensor& bias,
                         double tolerance = 1e-5) {
  std::vector<Tensor> ours, theirs;
  for (std::vector<Tensor>* result : {&ours, &theirs}) {
    const Tensor a = x.detach().requires_grad_();
    const Tensor w = weight.detach().clone().requires_grad_();
    const Tensor b = bias.defined() ? bias.detach().clone().requires_grad_() : Tensor();
    const Tensor y = result == &ours ? ops::linear(a, w, b) : at::linear(a, w, b);
    (y * torch::arange(y.numel(), y.options()).view(y.sizes()).cos()).sum().backward();
    *result = {y.detach(), a.grad(), w.grad()};
    if (b.defined()) result->push_back(b.grad());
  }
  for (size_t i = 0; i < ours.size(); ++i) {
    ASSERT_EQ(ours[i].sizes(), theirs[i].sizes());
    EXPECT_LT((ours[i] - theirs[i]).abs().max().item<double>(), tolerance) << "result " << i;
  }
}

TEST(Linear, HasTheValueAndTheGradientsOfLibTorchsOwn) {
  torch::manual_seed(1);
  const Tensor weight = torch::randn({7, 5}) / 3;
  const Tensor bias = torch::randn({7});
  expect_as_at_linear(torch::randn({4, 5}), weight, {});
  expect_as_at_linear(torch::randn({4, 5}), weight, bias);
  expect_as_at_linear(torch::randn({2, 3, 5}), weight, bias);
  expect_as_at_linear(torch::randn({1, 5}), weight, bias);
  expect_as_at_linear(torch::randn({5}), weight, bias);
}

TEST(Linear, TakesInputsOfAnyStrides) {
  torch::manual_seed(2);
  const Tensor weight = torch::randn({7, 5}) / 3;
  expect_as_at_linear(torch::randn({5, 4}).t(), weight, {});
  expect_as_at_linear(torch::randn({4, 10}).slice(1, 0, 10, 2), weight, {});
  expect_as_at_linear(torch::randn({3, 9}).narrow(1, 2, 5), weight, {});
  expect_as_at_linear(torch::randn({1, 5}).expand({6, 5}), weight, {});
  expect_as_at_linear(torch::randn({4, 5}), torch::randn({5, 7}).t() / 3, {});
}

TEST(Linear, WorksInDoublePrecision) {
  torch::manual_seed(3);
  const auto options = torch::kDouble;
  expect_as_at_linear(torch::randn({4, 5}, options), torch::randn({7, 5}, options),
                      torch::randn({7}, options), 1e-12);
}

TEST(Linear, OfNoRowsIsEmpty) {
  EXPECT_EQ(ops::linear(torch::randn({0, 5}), torch::randn({7, 5})).sizes(),
            (c10::IntArrayRef{0, 7}));
}

TEST(Linear, GivesNoGradientWhereNoneIsWanted) {
  const Tensor x = torch::randn({4, 5}, torch::requires_grad());
  const Tensor weight = torch::randn({7, 5});
  ops::linear(x, weight).sum().backward();
  EXPECT_TRUE(x.grad().defined());
  EXPECT_FALSE(weight.grad().defined());
  const at::NoGradGuard no_grad;
  EXPECT_FALSE(ops::linear(x, weight).requires_grad());
}

// bfloat16 keeps 8 bits: 1/256 relative per rounding.
TEST(Linear, ComputesInBfloat16OverFloatWeights) {
  torch::manual_seed(4);
  const Tensor x = torch::randn({6, 32}).to(torch::kBFloat16).requires_grad_();
  const Tensor weight = torch::randn({8, 32}, torch::requires_grad());
  const Tensor bias = torch::randn({8}, torch::requires_grad());
  const Tensor y = ops::linear(x, weight, bias);
  EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
  const Tensor exact = at::linear(x.to(torch::kFloat), weight, bias);
  EXPECT_TRUE(y.to(torch::kFloat).allclose(exact, 2e-2, 1e-1));
  y.sum().backward();
  EXPECT_EQ(weight.grad().scalar_type(), torch::kFloat);
  EXPECT_EQ(bias.grad().scalar_type(), torch::kFloat);
  EXPECT_EQ(x.grad().scalar_type(), torch::kBFloat16);
  const Tensor expected = x.detach().to(torch::kFloat).sum(0).expand({8, 32});
  EXPECT_TRUE(weight.grad().allclose(expected, 1e-2, 5e-2));
  EXPECT_TRUE(bias.grad().allclose(torch::full({8}, 6.f)));
}

// Rounded at the way in, never at the way out: with gradients, from a packed copy (few rows), without either.
TEST(Linear, InFloat32RoundsBfloat16OnlyOnce) {
  torch::manual_seed(5);
  const Tensor weight = torch::randn({50, 96}, torch::requires_grad());
  const Tensor bias = torch::randn({50});
  const Tensor rounded = weight.detach().to(torch::kBFloat16).to(torch::kFloat);
  for (const int64_t rows : {3, 200}) {
    const Tensor x = torch::randn({rows, 96}).to(torch::kBFloat16).requires_grad_();
    const Tensor expected = at::linear(x.detach().to(torch::kFloat), rounded, bias);
    const Tensor with_gradient = ops::linear_float32(x, weight, bias);
    EXPECT_EQ(with_gradient.scalar_type(), torch::kFloat);
    EXPECT_TRUE(with_gradient.allclose(expected, 1e-5, 1e-4));
    const Tensor upstream = torch::randn({rows, 50});
    const auto found = torch::autograd::grad({with_gradient}, {x, weight}, {upstream});
    EXPECT_EQ(found[0].scalar_type(), torch::kBFloat16);
    EXPECT_TRUE(found[0].to(torch::kFloat).allclose(upstream.mm(rounded), 2e-2, 0.2));
    EXPECT_EQ(found[1].scalar_type(), torch::kFloat);
    const torch::NoGradGuard no_grad;
    EXPECT_TRUE(ops::linear_float32(x, weight, bias).allclose(expected, 1e-5, 1e-4));
    // What rounding the result would cost.
    EXPECT_FALSE(ops::linear(x, weight, bias).to(torch::kFloat).allclose(expected, 1e-5, 1e-4));
  }
}

// Few rows without a gradient read a packed copy of the weight.
TEST(Linear, IsTheSameWithAndWithoutGradients) {
  torch::manual_seed(9);
  for (const int64_t rows : {1, 7, 128, 129}) {
    for (const auto type : {torch::kFloat, torch::kBFloat16}) {
      const Tensor x = torch::randn({rows, 40}).to(type);
      const Tensor weight = torch::randn({9, 40}, torch::requires_grad());
      const Tensor bias = torch::randn({9});
      const Tensor with = ops::linear(x, weight, bias).detach();
      const Tensor together = ops::linear(x, {weight, weight}, {bias, bias}).detach();
      const torch::NoGradGuard no_grad;
      const double tolerance = type == torch::kFloat ? 1e-4 : 0.1;
      const auto far = [&](const Tensor& a, const Tensor& b) {
        return (a.to(torch::kFloat) - b.to(torch::kFloat)).abs().max().item<double>();
      };
      EXPECT_LT(far(ops::linear(x, weight, bias), with), tolerance);
      EXPECT_LT(far(ops::linear(x, {weight, weight}, {bias, bias}), together), tolerance);
      EXPECT_LT(far(ops::linear(x, weight.t().contiguous().t(), bias), with), tolerance);
    }
  }
}

TEST(Linear, FollowsAWeightThatChanges) {
  const Tensor one = torch::ones({1, 4});
  const Tensor packed = torch::ones({2, 4});
  EXPECT_EQ(ops::linear(one, packed).sum().item<float>(), 8);
  packed.mul_(2);
  EXPECT_EQ(ops::linear(one, packed).sum().item<float>(), 16);

  const Tensor x = torch::ones({1, 4}, torch::kBFloat16);
  const Tensor weight = torch::ones({2, 4});
  EXPECT_EQ(ops::linear(x, weight).sum().item<float>(), 8);
  weight.mul_(2);
  EXPECT_EQ(ops::linear(x, weight).sum().item<float>(), 16);
}

TEST(RoundedCopy, IsMadeOnceAndReleasedAfterTheWeightDies) {
  Tensor weight = torch::ones({2, 4});
  const Tensor copy = ops::rounded_copy(weight, torch::kBFloat16);
  EXPECT_EQ(ops::rounded_copy(weight, torch::kBFloat16).data_ptr(), copy.data_ptr());
  EXPECT_EQ(copy.use_count(), 2);
  weight.reset();
  ops::rounded_copy(torch::ones({1, 1}), torch::kBFloat16);
  EXPECT_EQ(copy.use_count(), 1);
}

TEST(RoundedCopy, MayBeAskedForByManyThreads) {
  const Tensor weight = torch::ones({16, 16});
  std::vector<Tensor> copies(4);
  std::vector<std::thread> threads;
  for (Tensor& copy : copies) {
    threads.emplace_back([&] { copy = ops::rounded_copy(weight, torch::kBFloat16); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Tensor& copy : copies) EXPECT_EQ(copy.data_ptr(), copies[0].data_ptr());
}

TEST(Linear, OfSeveralWeightsIsThatOfTheirStack) {
  torch::manual_seed(8);
  for (const bool has_bias : {false, true}) {
    const Tensor x = torch::randn({2, 3, 5});
    const Tensor weight = torch::randn({9, 5});
    const Tensor bias = torch::randn({9});
    std::vector<Tensor> values, to_x, to_weight;
    for (const bool together : {false, true}) {
      const Tensor a = x.clone().requires_grad_();
      const Tensor w = weight.clone().requires_grad_();
      const Tensor b = bias.clone().requires_grad_();
      const Tensor y =
          together ? ops::linear(a, w, has_bias ? b : Tensor())
                   : ops::linear(a, w.split_with_sizes({4, 2, 3}),
                                 has_bias ? b.split_with_sizes({4, 2, 3}) : std::vector<Tensor>());
      y.square().sum().backward();
      values.push_back(y.detach());
      to_x.push_back(a.grad());
      to_weight.push_back(w.grad());
    }
    EXPECT_TRUE(values[0].allclose(values[1], 1e-5, 1e-5));
    EXPECT_TRUE(to_x[0].allclose(to_x[1], 1e-4, 1e-4));
    EXPECT_TRUE(to_weight[0].allclose(to_weight[1], 1e-4, 1e-4));
  }
}

TEST(Linear, RefusesSizesThatDoNotFit) {
  EXPECT_THROW(ops::linear(torch::randn({4, 6}), torch::randn({7, 5})), ShapeError);
  EXPECT_THROW(ops::linear(torch::randn({4, 5}), torch::randn({5})), ShapeError);
  EXPECT_THROW(ops::linear(torch::randn({4, 5}), torch::randn({7, 5}), torch::randn({5})),
               ShapeError);
}

TEST(Gemm, AddsToWhatIsThereAndTransposes) {
  torch::manual_seed(5);
  for (const auto type : {torch::kFloat, torch::kDouble}) {
    const Tensor a = torch::randn({4, 6}, type);
    const Tensor b = torch::randn({6, 5}, type);
    const Tensor before = torch::randn({4, 5}, type);
    for (const bool transpose_a : {false, true}) {
      for (const bool transpose_b : {false, true}) {
        for (const double beta : {0.0, 1.0, 0.5}) {
          Tensor out = before.clone();
          ops::gemm(transpose_a ? a.t().contiguous() : a, transpose_a,
                    transpose_b ? b.t().contiguous() : b, transpose_b, beta, out);
          EXPECT_TRUE(out.allclose(a.mm(b) + beta * before, 1e-5, 1e-5));
        }
      }
    }
  }
}

TEST(Gemm, WritesIntoRowsWithAStride) {
  torch::manual_seed(6);
  const Tensor a = torch::randn({4, 6});
  const Tensor b = torch::randn({6, 5});
  const Tensor wide = torch::zeros({4, 9});
  Tensor out = wide.narrow(1, 2, 5);
  ops::gemm(a, false, b, false, 0, out);
  EXPECT_TRUE(wide.narrow(1, 2, 5).allclose(a.mm(b), 1e-5, 1e-5));
  EXPECT_EQ(wide.narrow(1, 0, 2).abs().sum().item<float>(), 0);
  Tensor transposed = torch::zeros({5, 4}).t();
  ops::gemm(a, false, b, false, 0, transposed);
  EXPECT_TRUE(transposed.allclose(a.mm(b), 1e-5, 1e-5));
}

TEST(Gemm, TakesSingleRowsAndColumns) {
  torch::manual_seed(10);
  for (const auto type : {torch::kFloat, torch::kBFloat16}) {
    const Tensor a = torch::randn({3, 1}).to(type);
    const Tensor b = torch::randn({1, 5}).to(type);
    const Tensor row = torch::randn({1, 4}).to(type);
    const Tensor column = torch::randn({4, 1}).to(type);
    for (const bool transpose : {false, true}) {
      const auto stored = [transpose](const Tensor& x) {
        return transpose ? x.t().contiguous() : x;
      };
      Tensor outer = torch::zeros({3, 5});
      ops::gemm(stored(a), transpose, stored(b), transpose, 0, outer);
      EXPECT_TRUE(outer.allclose(a.to(torch::kFloat).mm(b.to(torch::kFloat)), 1e-2, 1e-2));
      Tensor inner = torch::zeros({1, 1});
      ops::gemm(stored(row), transpose, stored(column), transpose, 0, inner);
      EXPECT_TRUE(inner.allclose(row.to(torch::kFloat).mm(column.to(torch::kFloat)), 1e-2, 1e-2));
    }
  }
}

TEST(Gemm, OverwritesWhateverTheResultHeld) {
  Tensor out = torch::full({2, 2}, NAN);
  ops::gemm(torch::eye(2), false, torch::eye(2), false, 0, out);
  EXPECT_TRUE(out.equal(torch::eye(2)));
}

TEST(Gemm, SumsBfloat16IntoFloat) {
  torch::manual_seed(7);
  const Tensor a = torch::randn({16, 8}).to(torch::kBFloat16);
  const Tensor b = torch::randn({16, 4}).to(torch::kBFloat16);
  Tensor out = torch::ones({8, 4});
  ops::gemm(a, true, b, false, 1, out);
  const Tensor exact = a.to(torch::kFloat).t().mm(b.to(torch::kFloat)) + 1;
  EXPECT_TRUE(out.allclose(exact, 1e-2, 5e-2));
}

TEST(Gemm, RefusesSizesThatDoNotFit) {
  Tensor out = torch::zeros({4, 5});
  EXPECT_THROW(ops::gemm(torch::randn({4, 6}), false, torch::randn({5, 6}), false, 0, out),
               ShapeError);
  EXPECT_THROW(ops::gemm(torch::randn({4, 6}), false, torch::randn({6, 4}), false, 0, out),
               ShapeError);
}

}  // namespace
}  // namespace rl
