#include "agents/privileged_teacher.h"

#include <algorithm>
#include <string>
#include <utility>

#include "rl/check.h"
#include "rl/torch.h"

namespace agents {

PrivilegedTeacher::PrivilegedTeacher(Decoder decoder, const OfferOptions& options,
                                     PromptOf prompt_of)
    : teacher_(std::move(decoder), options), prompt_of_(std::move(prompt_of)) {}

rl::ActionSet PrivilegedTeacher::judge(const rl::Trajectory& t) const {
  const rl::Tensor episodes = t.episode.to(torch::kCPU, torch::kInt64).contiguous();
  std::vector<std::vector<int64_t>> prompts;
  for (int64_t b = 0; b < t.size(); ++b) {
    const int64_t episode = episodes.data_ptr<int64_t>()[b];
    prompts.push_back(prompt_of_(episode));
    rl::require(!prompts.back().empty(),
                "the privileged prompt of episode " + std::to_string(episode) + " is empty");
  }
  return teacher_.judge(with_prompts(t, prompts));
}

rl::Trajectory with_prompts(const rl::Trajectory& t,
                            const std::vector<std::vector<int64_t>>& prompts) {
  size_t longest = 0;
  for (const auto& prompt : prompts) longest = std::max(longest, prompt.size());
  const auto width = static_cast<int64_t>(longest) + t.length();
  const rl::Tensor ids = torch::zeros({t.size(), width}, torch::kInt64);
  const rl::Tensor start = torch::zeros({t.size()}, torch::kInt64);
  const rl::Tensor answers = t.action.masked_fill(t.mask.logical_not(), 0).cpu();
  for (int64_t b = 0; b < t.size(); ++b) {
    const auto& prompt = prompts[static_cast<size_t>(b)];
    const auto length = static_cast<int64_t>(prompt.size());
    ids[b].narrow(0, 0, length).copy_(torch::tensor(prompt, torch::kInt64));
    ids[b].narrow(0, length, t.length()).copy_(answers[b]);
    start[b] = length - 1;
  }
  rl::Trajectory result = t;
  result.observation = ids.to(t.observation.device());
  result.start = start.to(t.start.device());
  return result;
}

}  // namespace agents
