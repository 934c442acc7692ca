#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "rl/safetensors.h"
#include "rl/torch.h"

namespace testing_support {
namespace {

struct Tolerance {
  double absolute, relative;
};

}  // namespace

std::string fixture(const std::string& relative_path) {
  const char* folder = std::getenv("DECANT_FIXTURES");
  return std::string(folder != nullptr ? folder : DECANT_TEST_FIXTURES) + "/" + relative_path;
}

nlohmann::json read_json(const std::string& relative_path) {
  const std::string path = fixture(relative_path);
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot open the fixture " + path);
  return nlohmann::json::parse(file);
}

GoldenCase::GoldenCase(const std::string& objective, const std::string& name,
                       const nlohmann::json& meta, c10::ScalarType dtype)
    : objective_(objective),
      name_(name),
      params_(meta.at("params")),
      float32_atol_(meta.at("float32_atol")),
      dtype_(dtype) {
  const rl::SafetensorsFile file(fixture("objectives/" + objective + "/" + name + ".safetensors"));
  for (const std::string& tensor : file.names()) tensors_[tensor] = file.tensor(tensor);
}

double GoldenCase::number(const std::string& param, double otherwise) const {
  return params_.contains(param) && !params_[param].is_null() ? params_[param].get<double>()
                                                              : otherwise;
}

bool GoldenCase::flag(const std::string& param, bool otherwise) const {
  return params_.value(param, otherwise);
}

std::string GoldenCase::text(const std::string& param) const { return params_.at(param); }

rl::Tensor GoldenCase::input(const std::string& tensor) const {
  const rl::Tensor& stored = tensors_.at(tensor);
  return stored.is_floating_point() ? stored.to(dtype_) : stored;
}

rl::Tensor GoldenCase::variable(const std::string& tensor) const {
  return input(tensor).clone().requires_grad_();
}

void GoldenCase::expect(const std::string& tensor, const rl::Tensor& found) const {
  SCOPED_TRACE(objective_ + "/" + name_ + " in " + c10::toString(dtype_) + ": " + tensor);
  ASSERT_TRUE(has(tensor)) << "not stored";
  const rl::Tensor expected = tensors_.at(tensor).to(torch::kFloat64);
  const rl::Tensor value = found.detach().to(torch::kFloat64);
  ASSERT_EQ(value.sizes(), expected.sizes());
  ASSERT_TRUE(value.isfinite().all().item<bool>()) << value;
  const bool gradient = tensor.rfind("grad_", 0) == 0;
  Tolerance tolerance{1e-9, 1e-9};
  if (gradient) tolerance = {1e-8, 2e-7};
  if (dtype_ == torch::kFloat32) {
    const auto atol = float32_atol_.find(tensor);
    tolerance = {atol != float32_atol_.end() ? atol->second : 2e-6, 1e-5};
  }
  const rl::Tensor excess =
      (value - expected).abs() - (tolerance.absolute + tolerance.relative * expected.abs());
  EXPECT_LE(excess.max().item<double>(), 0)
      << "largest difference " << largest_difference(value, expected);
}

void GoldenCase::expect_if_stored(const std::string& tensor, const rl::Tensor& found) const {
  if (has(tensor)) expect(tensor, found);
}

void GoldenCase::expect_gradients(const rl::Tensor& loss,
                                  const std::map<std::string, rl::Tensor>& variables) const {
  std::vector<rl::Tensor> inputs;
  for (const auto& [name, variable] : variables) inputs.push_back(variable);
  const std::vector<rl::Tensor> gradients = torch::autograd::grad({loss}, inputs);
  size_t i = 0;
  for (const auto& [name, variable] : variables) expect("grad_" + name, gradients[i++]);
}

std::vector<GoldenCase> golden_cases(const std::string& objective) {
  const nlohmann::json meta = read_json("objectives/" + objective + "/meta.json");
  std::vector<GoldenCase> cases;
  for (const auto& [name, entry] : meta.at("cases").items()) {
    cases.emplace_back(objective, name, entry, torch::kFloat32);
    cases.emplace_back(objective, name, entry, torch::kFloat64);
  }
  return cases;
}

double largest_difference(const rl::Tensor& a, const rl::Tensor& b) {
  const rl::Tensor x = a.detach().to(torch::kFloat64), y = b.detach().to(torch::kFloat64);
  return torch::where(x.eq(y), torch::zeros_like(x), (x - y).abs()).max().item<double>();
}

}  // namespace testing_support
