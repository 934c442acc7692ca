#include "agents/teacher_repair.h"

#include <algorithm>
#include <string>
#include <utility>

#include "agents/saliency.h"
#include "rl/check.h"
#include "rl/checkpoint.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

TeacherRepair::TeacherRepair(Decoder teacher, Decoder student, std::shared_ptr<Lora> modules,
                             const RepairOptions& options)
    : teacher_(std::move(teacher)),
      student_(std::move(student)),
      modules_(std::move(modules)),
      options_(options) {
  if (modules_) return;
  const auto own = layer_parameters(teacher_), others = layer_parameters(student_);
  for (size_t i = 0; i < own.size(); ++i) {
    const auto& other = others[layer_of_student(i)];
    const bool fits =
        std::equal(own[i].begin(), own[i].end(), other.begin(), other.end(),
                   [](const Tensor& a, const Tensor& b) { return a.sizes() == b.sizes(); });
    rl::require(fits,
                "layer " + std::to_string(i) + " of the teacher cannot be averaged with layer " +
                    std::to_string(layer_of_student(i)) +
                    " of the student: expected tensors of the same shapes; modules need none");
  }
}

size_t TeacherRepair::layer_of_student(size_t layer) const {
  const auto depth = static_cast<size_t>(teacher_->config().layers);
  return layer * static_cast<size_t>(student_->config().layers) / depth;
}

void TeacherRepair::follow(const rl::Trajectory& collected) {
  const bool due =
      modules_ ? collections_ == 0 : collections_ > 0 && collections_ % options_.every == 0;
  ++collections_;
  if (!due) return;
  const auto saliencies =
      layer_saliencies(teacher_, collected, options_.micro_batch_tokens, options_.threads);
  choose(saliencies);
  if (modules_) {
    modules_->choose(layers_);
  } else {
    average(saliencies);
  }
}

void TeacherRepair::choose(const std::vector<std::vector<Tensor>>& saliencies) {
  std::vector<double> shares;
  for (const auto& layer : saliencies) shares.push_back(salient_share(layer, options_.threshold));
  const double least = *std::min_element(shares.begin(), shares.end());
  layers_.clear();
  for (size_t i = 0; i < shares.size(); ++i) {
    if (shares[i] < options_.below || shares[i] == least) {
      layers_.push_back(static_cast<int64_t>(i));
    }
  }
}

void TeacherRepair::average(const std::vector<std::vector<Tensor>>& saliencies) {
  torch::NoGradGuard no_grad;
  const auto own = layer_parameters(teacher_), others = layer_parameters(student_);
  for (const int64_t layer : layers_) {
    const auto at = static_cast<size_t>(layer);
    const auto& other = others[layer_of_student(at)];
    for (size_t i = 0; i < own[at].size(); ++i) {
      Tensor(own[at][i])
          .copy_(
              repaired(own[at][i], saliencies[at][i], other[i], options_.threshold, options_.keep));
    }
  }
}

void TeacherRepair::save(rl::State& state) const {
  state.put("collections", collections_);
  state.put("layers", torch::tensor(layers_, torch::kInt64));
  if (modules_) return;
  for (const auto& parameter : teacher_->named_parameters()) {
    state.put("parameter." + parameter.key(), parameter.value());
  }
}

void TeacherRepair::load(const rl::State& state) {
  torch::NoGradGuard no_grad;
  collections_ = state.integer("collections");
  const Tensor layers = state.tensor("layers").to(torch::kCPU, torch::kInt64).contiguous();
  layers_.assign(layers.data_ptr<int64_t>(), layers.data_ptr<int64_t>() + layers.numel());
  if (modules_) {
    if (collections_ > 0) modules_->choose(layers_);
    return;
  }
  for (auto& parameter : teacher_->named_parameters()) {
    parameter.value().copy_(state.tensor("parameter." + parameter.key()));
  }
}

}  // namespace agents
