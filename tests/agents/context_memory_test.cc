#include "agents/context_memory.h"

#include <gtest/gtest.h>

#include "agents/language_model.h"
#include "agents/weights.h"
#include "envs/token/dataset_source.h"
#include "rl/torch.h"

namespace agents {
namespace {

using rl::Tensor;

Decoder tiny(uint64_t seed) {
  return new_decoder(parse_decoder_config(R"({"vocab_size": 9, "initializer_range": 0.5,
      "model_type": "llama", "hidden_size": 8, "num_attention_heads": 2, "num_key_value_heads": 1,
      "intermediate_size": 16, "max_position_embeddings": 32, "num_hidden_layers": 1})",
                                          "tiny"),
                     seed);
}

rl::Trajectory text() {
  return envs::trajectory_of({{.prompt = {1, 2}, .response = {3, 4, 5}, .ended = true, .where = ""},
                              {.prompt = {6}, .response = {7, 8}, .ended = true, .where = ""}},
                             torch::arange(2));
}

Tensor hidden_of(const Decoder& decoder, const rl::Trajectory& t) {
  torch::NoGradGuard no_grad;
  return hidden_states(decoder, t)
      .features.flatten(0, 1)
      .index_select(0, t.mask.flatten().nonzero().squeeze(1));
}

TEST(ContextMemory, RemembersWhatWasWrittenAfterAContext) {
  const Decoder reader = tiny(1);
  const rl::Trajectory t = text();
  const ContextMemory memory(reader, Decoder(nullptr), t, {.neighbours = 1}, 64);
  EXPECT_EQ(memory.size(), 5);
  const Tensor token = t.action.masked_select(t.mask);
  EXPECT_TRUE(memory.probs(hidden_of(reader, t), token).equal(torch::ones({5})));
  EXPECT_TRUE(memory.probs(hidden_of(reader, t), (token + 1) % 9).equal(torch::zeros({5})));
}

TEST(ContextMemory, SaysATeachersProbabilitiesOfItsLikeliestTokens) {
  const Decoder reader = tiny(1), teacher = tiny(2);
  const rl::Trajectory t = text();
  const ContextMemory memory(reader, teacher, t, {.top = 9, .neighbours = 1}, 64);
  const Tensor token = t.action.masked_select(t.mask);
  const Tensor said = hidden_of(teacher, t)
                          .mm(teacher->head_weight().detach().t())
                          .softmax(-1)
                          .gather(1, token.unsqueeze(1));
  EXPECT_TRUE(
      torch::allclose(memory.probs(hidden_of(reader, t), token), said.squeeze(1), 1e-4, 1e-6));
}

TEST(ContextMemory, IsADistributionOverTokens) {
  const Decoder reader = tiny(1), teacher = tiny(2);
  const rl::Trajectory t = text();
  const ContextMemory memory(reader, teacher, t, {.top = 3, .neighbours = 4}, 3);
  const Tensor hidden = hidden_of(reader, t);
  Tensor sum = torch::zeros({5});
  for (int64_t id = 0; id < 9; ++id) sum += memory.probs(hidden, torch::full({5}, id));
  EXPECT_TRUE(torch::allclose(sum, torch::ones({5}), 1e-5, 1e-6));
}

}  // namespace
}  // namespace agents
