#include "agents/privileged_teacher.h"

#include <gmock/gmock.h>

#include "agents/moving_average.h"
#include "agents/weights.h"
#include "envs/token/dataset_source.h"
#include "rl/checkpoint.h"
#include "rl/losses/imitation.h"
#include "rl/torch.h"

namespace agents {
namespace {

using rl::Tensor;

Decoder tiny(uint64_t seed) {
  const std::string json =
      R"({"model_type": "llama", "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24,
          "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
          "max_position_embeddings": 64, "initializer_range": 0.2, "tie_word_embeddings": false})";
  return new_decoder(parse_decoder_config(json, "tiny"), seed);
}

const std::vector<std::vector<int64_t>> kPrompts = {{5, 6, 7}, {5}, {8, 9}};
const std::vector<std::vector<int64_t>> kPrivileged = {
    {30, 31, 5, 6, 7}, {32, 5}, {33, 34, 35, 8, 9}};

// Answers of several tokens, of one that is cut, and of EOS alone.
rl::Trajectory answers() {
  return envs::trajectory_of(
      {{.prompt = kPrompts[0], .response = {8, 11, 2}, .ended = true, .where = "a"},
       {.prompt = kPrompts[1], .response = {9, 10, 11, 12}, .ended = false, .where = "b"},
       {.prompt = kPrompts[2], .response = {2}, .ended = true, .where = "c"}},
      torch::arange(3));
}

PrivilegedTeacher::PromptOf prompts(const std::vector<std::vector<int64_t>>& of) {
  return [of](int64_t episode) { return of[static_cast<size_t>(episode)]; };
}

TEST(PrivilegedTeacher, ReadsTheRowsOfTheAnswerAfterItsOwnPrompt) {
  torch::NoGradGuard no_grad;
  Decoder decoder = tiny(1);
  const rl::Trajectory t = answers();
  const Tensor found = PrivilegedTeacher(decoder, {}, prompts(kPrivileged)).judge(t).prior_features;
  const std::vector<std::vector<int64_t>> responses = {{8, 11, 2}, {9, 10, 11, 12}, {2}};
  for (size_t b = 0; b < responses.size(); ++b) {
    std::vector<int64_t> ids = kPrivileged[b];
    ids.insert(ids.end(), responses[b].begin(), responses[b].end());
    const Tensor hidden = decoder->forward(torch::tensor(ids, torch::kInt64).unsqueeze(0))[0];
    const auto start = static_cast<int64_t>(kPrivileged[b].size()) - 1;
    const auto count = static_cast<int64_t>(responses[b].size());
    EXPECT_TRUE(torch::allclose(found[static_cast<int64_t>(b)].narrow(0, 0, count),
                                hidden.narrow(0, start, count), 1e-4, 1e-4))
        << b;
  }
}

// The same context and the same network: no loss, no gradient.
TEST(PrivilegedTeacher, HasNothingToTeachWithoutAPrivilegedText) {
  const Decoder decoder = tiny(1);
  const rl::Trajectory t = answers();
  const rl::ActionSet set = PrivilegedTeacher(decoder, {}, prompts(kPrompts)).judge(t);
  const Tensor plain = LmTeacher(decoder, {}).judge(t).prior_features, at = t.mask.unsqueeze(-1);
  EXPECT_TRUE(torch::allclose(set.prior_features * at, plain * at, 1e-5, 1e-5));
  const rl::Trajectory judged = t.with(set);
  const LanguageModel model(decoder);
  rl::Reward reward;
  reward.terms.push_back(
      {"gap", -1.0, [](const rl::Opinion& o) {
         return (o.prior_log_probs().exp() * (o.prior_log_probs() - o.log_probs())).sum(-1);
       }});
  const rl::PolicyOutput online = model.evaluate(judged);
  const rl::LossOutput out =
      rl::Imitation()({judged, online, nullptr, reward, judged.mask.to(torch::kFloat32)});
  EXPECT_NEAR(out.loss.item<double>(), 0, 1e-6);
  std::vector<Tensor> tensors;
  for (const auto& [name, tensor] : model.parameters()) tensors.push_back(tensor);
  for (const Tensor& gradient : torch::autograd::grad({out.loss}, tensors)) {
    EXPECT_LE(gradient.abs().max().item<double>(), 1e-5);
  }
}

TEST(PrivilegedTeacher, NamesTheEpisodeWhoseTextIsMissing) {
  const PrivilegedTeacher teacher(tiny(1), {}, [](int64_t) { return std::vector<int64_t>(); });
  EXPECT_THROW(teacher.judge(answers()), std::invalid_argument);
}

bool same(const Decoder& a, const Decoder& b) {
  const auto other = b->named_parameters();
  for (const auto& item : a->named_parameters()) {
    if (!item.value().equal(other[item.key()])) return false;
  }
  return true;
}

TEST(MovingAverage, IsTheLeaderAtAShareOfOne) {
  const Decoder leader = tiny(1), average = tiny(2);
  MovingAverage(average, leader, 1).follow(answers());
  EXPECT_TRUE(same(average, leader));
}

TEST(MovingAverage, MovesByItsShareAndIsSaved) {
  const Decoder leader = tiny(1), average = tiny(2), other = tiny(3);
  const Tensor expected =
      0.75 * average->head_weight().detach() + 0.25 * leader->head_weight().detach();
  MovingAverage moving(average, leader, 0.25);
  moving.follow(answers());
  EXPECT_TRUE(torch::allclose(average->head_weight(), expected));
  rl::State state;
  moving.save(state);
  MovingAverage restored(other, leader, 0.25);
  restored.load(state);
  EXPECT_TRUE(same(other, average));
}

TEST(MovingAverage, RefusesAShareOutOfRange) {
  EXPECT_THROW(MovingAverage(tiny(1), tiny(2), 0), std::invalid_argument);
}

}  // namespace
}  // namespace agents
