#include "envs/token/dataset_source.h"

#include <algorithm>
#include <utility>

#include "rl/check.h"
#include "rl/torch.h"

namespace envs {

using rl::Tensor;

DatasetSource::DatasetSource(ExampleOf example_of) : example_of_(std::move(example_of)) {}

rl::Trajectory DatasetSource::collect(const Tensor& episodes, double progress) {
  (void)progress;
  std::vector<Example> examples;
  for (int64_t i = 0; i < episodes.size(0); ++i) {
    examples.push_back(example_of_(episodes[i].item<int64_t>()));
  }
  return trajectory_of(examples, episodes);
}

rl::Trajectory trajectory_of(const std::vector<Example>& examples, const Tensor& episodes) {
  int64_t ids = 0, columns = 0;
  for (const Example& e : examples) {
    rl::require(!e.prompt.empty(), e.where + ": an empty prompt predicts nothing");
    rl::require(!e.response.empty(), e.where + ": an empty response teaches nothing");
    const auto prompt = static_cast<int64_t>(e.prompt.size());
    const auto response = static_cast<int64_t>(e.response.size());
    ids = std::max(ids, prompt + response);
    columns = std::max(columns, response + (e.ended ? 0 : 1));
  }
  const auto rows = static_cast<int64_t>(examples.size());
  rl::Trajectory t{.observation = torch::zeros({rows, ids}, torch::kInt64),
                   .start = torch::zeros({rows}, torch::kInt64),
                   .action = torch::zeros({rows, columns}, torch::kInt64),
                   .actions = {},
                   .behavior_log_prob = torch::zeros({rows, columns}),
                   .reward = torch::zeros({rows, columns}),
                   .discount = torch::zeros({rows, columns}),
                   .mask = torch::zeros({rows, columns}, torch::kBool),
                   .state_mask = torch::zeros({rows, columns}, torch::kBool),
                   .episode = episodes,
                   .own = torch::zeros({rows}, torch::kBool),
                   .notes = {}};
  for (int64_t b = 0; b < rows; ++b) {
    const Example& e = examples[static_cast<size_t>(b)];
    const auto prompt = static_cast<int64_t>(e.prompt.size());
    const auto response = static_cast<int64_t>(e.response.size());
    const Tensor answer = torch::tensor(e.response, torch::kInt64);
    t.observation[b].narrow(0, 0, prompt).copy_(torch::tensor(e.prompt, torch::kInt64));
    t.observation[b].narrow(0, prompt, response).copy_(answer);
    t.start[b] = prompt - 1;
    t.action[b].narrow(0, 0, response).copy_(answer);
    t.mask[b].narrow(0, 0, response).fill_(true);
    t.state_mask[b].narrow(0, 0, response + (e.ended ? 0 : 1)).fill_(true);
    t.discount[b].narrow(0, 0, response).fill_(1);
    if (e.ended) t.discount[b][response - 1] = 0;
  }
  return t;
}

}  // namespace envs
