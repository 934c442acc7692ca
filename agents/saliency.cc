#include "agents/saliency.h"

#include <string>
#include <utility>

#include "agents/language_model.h"
#include "rl/learner.h"
#include "rl/losses/imitation.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

namespace {

// The number of the layer that a parameter belongs to; -1: none.
int64_t layer_of(const std::string& name, const DecoderConfig& config) {
  const std::string prefix = config.is_gpt2() ? "transformer.h." : "model.layers.";
  if (!name.starts_with(prefix)) return -1;
  return std::stoll(name.substr(prefix.size()));
}

// The parameters of a decoder's layers alone as what learns.
class LayersModel : public LanguageModel {
 public:
  using LanguageModel::LanguageModel;
  rl::NamedTensors parameters() const override {
    rl::NamedTensors result;
    for (const auto& item : decoder()->named_parameters()) {
      if (layer_of(item.key(), decoder()->config()) >= 0) {
        result.emplace_back(item.key(), item.value());
      }
    }
    return result;
  }
};

std::vector<rl::Objective> likelihood() {
  std::vector<rl::Objective> objectives;
  objectives.push_back({.name = "likelihood",
                        .loss = std::make_unique<rl::Imitation>(),
                        .reward = {{{"log_likelihood", 1.0,
                                     [](const rl::Opinion& o) { return o.action_log_prob(); }}}}});
  return objectives;
}

}  // namespace

Tensor saliency(const Tensor& parameter, const Tensor& gradient) {
  torch::NoGradGuard no_grad;
  return (parameter * gradient).abs();
}

double salient_share(const std::vector<Tensor>& saliencies, double threshold) {
  int64_t all = 0;
  Tensor above;
  for (const Tensor& saliency : saliencies) {
    const Tensor count = (saliency > threshold).sum();
    above = above.defined() ? above + count : count;
    all += saliency.numel();
  }
  return all == 0 ? 0 : above.item<double>() / static_cast<double>(all);
}

Tensor repaired(const Tensor& parameter, const Tensor& saliency, const Tensor& other,
                double threshold, double keep) {
  torch::NoGradGuard no_grad;
  return torch::where(saliency > threshold, parameter, keep * parameter + (1 - keep) * other);
}

std::vector<std::vector<Tensor>> layer_parameters(const Decoder& decoder) {
  std::vector<std::vector<Tensor>> result(static_cast<size_t>(decoder->config().layers));
  for (const auto& item : decoder->named_parameters()) {
    const int64_t layer = layer_of(item.key(), decoder->config());
    if (layer >= 0) result[static_cast<size_t>(layer)].push_back(item.value());
  }
  return result;
}

std::vector<std::vector<Tensor>> layer_saliencies(const Decoder& decoder,
                                                  const rl::Trajectory& written,
                                                  int64_t micro_batch_tokens,
                                                  const rl::Threads& threads) {
  const torch::AutoGradMode with_gradient(true);
  // A view of the same numbers that wants gradients; the decoder itself stays frozen.
  Decoder view(decoder->with_modules(decoder->modules()));
  for (Tensor& parameter : view->parameters()) parameter.set_requires_grad(true);
  const auto model = std::make_shared<LayersModel>(view);
  rl::LearnerOptions options;
  options.name = "saliency";
  options.micro_batch_tokens = micro_batch_tokens;
  options.threads = threads;
  rl::Learner learner(model, likelihood(), options);
  learner.accumulate(written);
  const std::vector<Tensor> gradients = learner.gradients();
  const rl::NamedTensors parameters = model->parameters();
  std::vector<std::vector<Tensor>> result(static_cast<size_t>(decoder->config().layers));
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto& [name, parameter] = parameters[i];
    result[static_cast<size_t>(layer_of(name, decoder->config()))].push_back(
        saliency(parameter, gradients[i]));
  }
  return result;
}

}  // namespace agents
