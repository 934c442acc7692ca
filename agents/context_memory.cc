#include "agents/context_memory.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "agents/language_model.h"
#include "rl/batching.h"
#include "rl/check.h"
#include "rl/ops/retrieval.h"
#include "rl/torch.h"

namespace agents {

using rl::Tensor;

namespace {

// Logits worked out at a time: 4 MB of float32.
constexpr int64_t kChunkElements = int64_t{1} << 20;

// The states to be learned from, one row each.
Tensor picked(const Tensor& x, const rl::Trajectory& t) {
  return x.flatten(0, 1).index_select(0, t.mask.flatten().nonzero().squeeze(1));
}

}  // namespace

ContextMemory::Contexts ContextMemory::read(const Decoder& reader, const Decoder& teacher,
                                            const rl::Trajectory& trajectory, int64_t top,
                                            int64_t part_tokens) {
  torch::NoGradGuard no_grad;
  std::vector<Tensor> hidden, ids, probs;
  for (const Tensor& rows : rl::cut_by_tokens(trajectory, part_tokens, 1)) {
    const rl::Trajectory given = trajectory.select(rows);
    const Tensor features = hidden_states(reader, given).features;
    const rl::Trajectory part = given.to(features.device());
    hidden.push_back(picked(features, part).to(torch::kCPU, torch::kFloat32));
    const Tensor taken = picked(part.action, part).unsqueeze(1).cpu();
    if (teacher.is_empty()) {
      ids.push_back(taken);
      probs.push_back(torch::ones_like(taken, torch::kFloat32));
      continue;
    }
    const HiddenStates states = hidden_states(teacher, part);
    const Tensor asked = picked(states.features, part);
    const int64_t vocabulary = teacher->vocabulary_size();
    for (const Tensor& chunk : asked.split(std::max<int64_t>(1, kChunkElements / vocabulary))) {
      const auto [values, likeliest] =
          states.readout.logits(chunk).topk(std::min(top, vocabulary), -1);
      ids.push_back(likeliest.cpu());
      probs.push_back(values.softmax(-1).cpu());
    }
  }
  return {torch::cat(hidden), torch::cat(ids), torch::cat(probs)};
}

ContextMemory::ContextMemory(const Decoder& reader, const Decoder& teacher,
                             const rl::Trajectory& trajectory, const ContextMemoryOptions& options,
                             int64_t part_tokens)
    : ContextMemory(read(reader, teacher, trajectory, options.top, part_tokens), options) {}

ContextMemory::ContextMemory(Contexts contexts, const ContextMemoryOptions& options)
    : options_(options),
      ids_(std::move(contexts.ids)),
      probs_(std::move(contexts.probs)),
      index_(contexts.hidden) {
  rl::require(options.top >= 1 && options.neighbours >= 1,
              "a memory of contexts needs a token and a neighbour at least");
}

Tensor ContextMemory::probs(const Tensor& hidden, const Tensor& token) const {
  const auto found = index_.search(hidden, options_.neighbours);
  const auto look_up = [&](const Tensor& table) {
    return table.index_select(0, found.item.flatten()).unflatten(0, found.item.sizes());
  };
  const Tensor is_token = look_up(ids_) == token.cpu().view({-1, 1, 1});
  const Tensor said = (look_up(probs_) * is_token).sum(-1, /*keepdim=*/true);
  return rl::ops::read_nearest(found.similarity, said, options_.temperature).probs.squeeze(-1);
}

}  // namespace agents
