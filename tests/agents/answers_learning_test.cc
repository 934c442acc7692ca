// A language model learns an answer from demonstrations and from what it writes itself, out of a memory of
// prefixes.

#include <gmock/gmock.h>

#include <memory>

#include "agents/language_model.h"
#include "agents/weights.h"
#include "envs/token/dataset_source.h"
#include "envs/token/token_environment.h"
#include "rl/losses/inverse_soft_q.h"
#include "rl/losses/td.h"
#include "rl/torch.h"
#include "rl/train_loop.h"

namespace agents {
namespace {

using rl::Tensor;

constexpr int64_t kVocabulary = 8, kEnd = 2, kLongest = 8;

Decoder tiny() {
  return new_decoder(
      parse_decoder_config(
          R"({"model_type": "llama", "vocab_size": 8, "hidden_size": 16, "intermediate_size": 32,
              "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
              "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "tie_word_embeddings": false})",
          "tiny"),
      1);
}

// Two prompts with their answers.
envs::Example example(int64_t episode) {
  if (episode % 2 == 0)
    return {.prompt = {1}, .response = {3, 4, 5, kEnd}, .ended = true, .where = ""};
  return {.prompt = {1, 6}, .response = {7, 7, 4, 3, kEnd}, .ended = true, .where = ""};
}

std::unique_ptr<rl::Rollout> answers(const Decoder& decoder, double temperature) {
  return std::make_unique<rl::Rollout>(
      [=] {
        return rl::Rollout::Stage{
            std::make_unique<envs::TokenEnvironment>(
                envs::TokenEnvironmentOptions{
                    .vocabulary_size = kVocabulary, .end_ids = {kEnd}, .max_new_tokens = kLongest},
                [](int64_t episode) { return example(episode).prompt; }),
            std::make_unique<LanguageModelActor>(
                decoder, SamplingOptions{.temperature = temperature}, kLongest, 7, "student")};
      },
      rl::Threads{}, temperature == 1);
}

void learn(const Decoder& decoder, std::unique_ptr<rl::Loss> loss, int64_t updates) {
  rl::Agent agent{std::make_unique<rl::Mix>(
                      std::make_unique<envs::DatasetSource>(example), answers(decoder, 1),
                      [](double) { return 0.5; },
                      /*per_row=*/true, 1),
                  rl::ReplayBuffer({.capacity = 200}, 1),
                  {}};
  rl::LearnerOptions options;
  options.learning_rate = [](int64_t) { return 3e-3; };
  options.target_copy_every = 20;
  std::vector<rl::Objective> objectives;
  objectives.push_back({"q", 1.0, std::move(loss), {}});
  agent.learners.push_back(std::make_unique<rl::Learner>(std::make_shared<LanguageModel>(decoder),
                                                         std::move(objectives), options));
  rl::Progress progress;
  rl::train(agent, {.steps = updates, .batch_size = 16, .updates_per_collect = 2}, progress,
            [](const rl::Progress&, const rl::Metrics&) { return true; });
}

void expect_answers(const Decoder& decoder) {
  const rl::Trajectory t = answers(decoder, 0)->collect(torch::arange(2), 0);
  for (int64_t row = 0; row < 2; ++row) {
    const std::vector<int64_t> expected = example(row).response;
    const auto length = static_cast<int64_t>(expected.size());
    EXPECT_EQ(t.step_counts()[row].item<int64_t>(), length);
    EXPECT_TRUE(t.action[row]
                    .narrow(0, 0, std::min(length, t.length()))
                    .equal(torch::tensor(expected).narrow(0, 0, std::min(length, t.length()))))
        << t.action[row];
  }
}

// Ending earns 1 and no more; going on is worth the entropy of what follows, less than that at this gamma.
TEST(Sqil, LearnsAnswersFromDemonstrationsAndItsOwn) {
  const Decoder decoder = tiny();
  learn(decoder,
        std::make_unique<rl::Td>(rl::TdOptions{
            .gamma = 0.5, .entropy = 0.1, .huber_delta = 0, .sqil = rl::SqilOptions{}}),
        600);
  expect_answers(decoder);
}

TEST(IqLearn, LearnsAnswersFromDemonstrationsAndItsOwn) {
  const Decoder decoder = tiny();
  learn(decoder,
        std::make_unique<rl::InverseSoftQ>(rl::InverseSoftQOptions{.gamma = 0.9,
                                                                   .td = {.alpha = 0.5},
                                                                   .gauge = rl::ops::Gauge::raw,
                                                                   .q_min = std::nullopt,
                                                                   .own_steps = true}),
        300);
  expect_answers(decoder);
}

}  // namespace
}  // namespace agents
