#include "agents/mlp_files.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "rl/check.h"
#include "rl/safetensors.h"
#include "rl/torch.h"

namespace agents {
namespace fs = std::filesystem;
namespace {

constexpr const char* kClosed = "closed_actions";

}  // namespace

void save_mlp(const MlpPolicy& policy, const std::string& folder) {
  fs::create_directories(folder);
  const MlpOptions& options = policy.options();
  const nlohmann::ordered_json config{
      {"model_type", "mlp"},
      {"inputs", options.inputs},
      {"actions", options.actions},
      {"hidden", options.hidden},
      {"input_scale", options.input_scale},
      {"value_head", options.value_head},
      {"dueling", options.dueling},
      {"activation", options.activation == MlpOptions::Activation::relu ? "relu" : "tanh"}};
  const std::string path = folder + "/config.json";
  std::ofstream file(path);
  file << config.dump(2) << '\n';
  if (!file.flush()) throw std::runtime_error(path + ": cannot be written");
  rl::NamedTensors tensors = policy.parameters();
  if (options.closed_actions.defined()) tensors.emplace_back(kClosed, options.closed_actions);
  rl::write_safetensors(folder + "/model.safetensors", tensors);
}

std::shared_ptr<MlpPolicy> load_mlp(const std::string& folder) {
  const std::string path = folder + "/config.json";
  MlpOptions options;
  try {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot be read");
    const auto config = nlohmann::json::parse(file);
    if (config.at("model_type") != "mlp") {
      throw std::runtime_error("expected model_type \"mlp\", found " + config["model_type"].dump());
    }
    options.inputs = config.at("inputs").get<int64_t>();
    options.actions = config.at("actions").get<int64_t>();
    options.hidden = config.at("hidden").get<std::vector<int64_t>>();
    options.input_scale = config.at("input_scale").get<std::vector<double>>();
    options.value_head = config.at("value_head").get<bool>();
    options.dueling = config.at("dueling").get<bool>();
    const auto activation = config.at("activation").get<std::string>();
    if (activation != "tanh" && activation != "relu") {
      throw std::runtime_error("expected activation \"tanh\" or \"relu\", found \"" + activation +
                               "\"");
    }
    options.activation =
        activation == "relu" ? MlpOptions::Activation::relu : MlpOptions::Activation::tanh;
  } catch (const std::exception& error) {
    throw std::runtime_error(path + ": " + error.what());
  }
  const rl::SafetensorsFile weights(folder + "/model.safetensors");
  if (weights.contains(kClosed)) options.closed_actions = weights.tensor(kClosed).clone();
  auto policy = std::make_shared<MlpPolicy>(options);
  torch::NoGradGuard no_grad;
  for (const auto& [name, parameter] : policy->parameters()) {
    const rl::Tensor found = weights.tensor(name);
    rl::expect_shape(found, parameter.sizes().vec(), weights.path() + ": " + name);
    rl::Tensor(parameter).copy_(found);
  }
  return policy;
}

}  // namespace agents
