#include "agents/teacher_scores.h"

#include <torch/nn/init.h>

#include <vector>

#include "rl/check.h"
#include "rl/ops/linear.h"
#include "rl/ops/masked.h"
#include "rl/prior_notes.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

TeacherScores::TeacherScores(const TeacherScoresOptions& options) : options_(options) {
  rl::require(options_.teachers >= 1 && options_.hidden >= 0,
              "scores need at least one teacher and a width that is not negative");
  int64_t in = options_.teachers * (options_.knows_label ? 4 : 3);
  if (options_.hidden > 0) {
    torch::manual_seed(options_.seed);
    hidden_weight_ = torch::empty({options_.hidden, in});
    torch::nn::init::orthogonal_(hidden_weight_, 2.0);
    hidden_weight_ = hidden_weight_.to(options_.device).requires_grad_();
    hidden_bias_ = torch::zeros({options_.hidden}, options_.device).requires_grad_();
    in = options_.hidden;
  }
  weight_ = torch::zeros({options_.teachers, in}, options_.device).requires_grad_();
  bias_ = torch::zeros({options_.teachers}, options_.device).requires_grad_();
}

Tensor TeacherScores::inputs(const rl::Trajectory& t, const std::string& prefix) const {
  std::vector<std::string> seen = {"prompt_nats", "max_prob", "entropy"};
  if (options_.knows_label) seen.push_back("label_nats");
  std::vector<Tensor> columns;
  for (const std::string& what : seen) columns.push_back(rl::prior_notes(t, what, prefix));
  const Tensor all = torch::cat(columns, -1);  // [B, T, 3 M or 4 M]
  if (options_.per_token) return all;
  return rl::ops::masked_row_mean(all, t.mask).unsqueeze(1);
}

Tensor TeacherScores::scores(const rl::Trajectory& t, const std::string& prefix) const {
  Tensor x = inputs(t, prefix);
  if (hidden_weight_.defined()) x = rl::ops::linear(x, hidden_weight_, hidden_bias_).tanh();
  return rl::ops::linear(x, weight_, bias_).expand({t.size(), t.length(), options_.teachers});
}

rl::PolicyOutput TeacherScores::evaluate(const rl::Trajectory& trajectory) const {
  return {scores(trajectory, options_.prefix), {}, {}};
}

rl::NamedTensors TeacherScores::parameters() const {
  rl::NamedTensors all;
  if (hidden_weight_.defined()) {
    all = {{"hidden.weight", hidden_weight_}, {"hidden.bias", hidden_bias_}};
  }
  all.emplace_back("head.weight", weight_);
  all.emplace_back("head.bias", bias_);
  return all;
}

std::unique_ptr<rl::PolicyModel> TeacherScores::clone() const {
  auto copy = std::make_unique<TeacherScores>(options_);
  torch::NoGradGuard no_grad;
  const rl::NamedTensors from = parameters(), to = copy->parameters();
  for (size_t i = 0; i < from.size(); ++i) Tensor(to[i].second).copy_(from[i].second);
  return copy;
}

}  // namespace agents
