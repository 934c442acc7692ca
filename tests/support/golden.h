#pragma once

/// Reads the golden cases of tests/fixtures and compares results with them.

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "rl/tensor.h"

namespace testing_support {

/// The path of a file or folder of the fixtures: in the folder that the environment variable
/// DECANT_FIXTURES names, where it is set, else in tests/fixtures of the repository.
std::string fixture(const std::string& relative_path);

/// A JSON file of the fixtures.
nlohmann::json read_json(const std::string& relative_path);

/// One case of an objective: its parameters, its inputs and what must come out.
class GoldenCase {
 public:
  GoldenCase(const std::string& objective, const std::string& name, const nlohmann::json& meta,
             c10::ScalarType dtype);

  const std::string& name() const { return name_; }
  /// The numbers of the formula; null = switched off.
  const nlohmann::json& params() const { return params_; }
  double number(const std::string& param, double otherwise) const;
  bool flag(const std::string& param, bool otherwise) const;
  std::string text(const std::string& param) const;

  bool has(const std::string& tensor) const { return tensors_.count(tensor) > 0; }
  /// An input; real ones in the type that the case is run in.
  rl::Tensor input(const std::string& tensor) const;
  /// An input as a leaf that gathers gradient.
  rl::Tensor variable(const std::string& tensor) const;

  /// Expects `found` to be the stored tensor within the tolerance that the fixtures state for the
  /// type that the case is run in.
  void expect(const std::string& tensor, const rl::Tensor& found) const;
  /// The same where the case stores such a tensor.
  void expect_if_stored(const std::string& tensor, const rl::Tensor& found) const;
  /// Differentiates `loss` and expects grad_<name> of each variable.
  void expect_gradients(const rl::Tensor& loss,
                        const std::map<std::string, rl::Tensor>& variables) const;

 private:
  std::string objective_, name_;
  nlohmann::json params_;
  std::map<std::string, double> float32_atol_;
  std::map<std::string, rl::Tensor> tensors_;
  c10::ScalarType dtype_;
};

/// All cases of an objective, each twice: computed in float32 and in float64.
std::vector<GoldenCase> golden_cases(const std::string& objective);

/// The largest difference of two tensors of one shape; equal infinities differ by 0.
double largest_difference(const rl::Tensor& a, const rl::Tensor& b);

}  // namespace testing_support
