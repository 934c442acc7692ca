#include "agents/nets/soft_prompt.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "agents/language_model.h"
#include "agents/text_classifier.h"
#include "agents/weights.h"
#include "envs/token/dataset_source.h"
#include "rl/opinion.h"
#include "rl/torch.h"

namespace agents {
namespace {

using rl::Tensor;

Decoder tiny(const std::string& family = "llama") {
  const std::string common = R"("vocab_size": 11, "initializer_range": 0.3, )";
  const std::string llama =
      R"("model_type": "llama", "hidden_size": 8, "num_attention_heads": 2, "num_key_value_heads": 1,
         "intermediate_size": 16, "max_position_embeddings": 32, "num_hidden_layers": 2})";
  const std::string gpt2 =
      R"("model_type": "gpt2", "n_embd": 8, "n_head": 2, "n_layer": 2, "n_positions": 32})";
  return new_decoder(
      parse_decoder_config("{" + common + (family == "llama" ? llama : gpt2), "tiny"), 3);
}

rl::Trajectory written(const Decoder& decoder, const SoftPrompt& prompt) {
  std::vector<envs::Example> examples = {
      {.prompt = prompt.ids(decoder, 0), .response = {1, 2, 3}, .ended = true, .where = ""},
      {.prompt = prompt.ids(decoder, 1), .response = {4, 5}, .ended = true, .where = ""}};
  return envs::trajectory_of(examples, torch::arange(2));
}

Tensor likelihood(const PromptedModel& model, const rl::Trajectory& t) {
  return rl::map_states(model.evaluate(t), t, t.mask,
                        [](const rl::Opinion& o) { return o.action_log_prob(); })
      .sum();
}

TEST(SoftPrompt, StandsForTheTokensItsRowsAreCopiedFrom) {
  for (const std::string family : {"llama", "gpt2"}) {
    const Decoder decoder = tiny(family);
    const Tensor ids = torch::tensor({7, 2, 9}, torch::kInt64);
    SoftPrompt prompt{decoder->token_rows(ids).detach().clone(), 1, 3};
    const PromptedModel model(decoder, prompt, false);
    Decoder prompted = model.decoder(), plain = decoder;
    const Tensor rest = torch::tensor({{1, 4, 4}}, torch::kInt64);
    const auto further = torch::tensor(prompt.ids(decoder, 0), torch::kInt64).unsqueeze(0);
    EXPECT_TRUE(torch::allclose(prompted->forward(torch::cat({further, rest}, 1)),
                                plain->forward(torch::cat({ids.unsqueeze(0), rest}, 1))))
        << family;
  }
}

TEST(SoftPrompt, IsAllThatLearnsAndItsGradientIsTheSlope) {
  const Decoder decoder = tiny();
  const PromptedModel model(decoder, new_soft_prompt(decoder, 2, 2, 5), false);
  const rl::Trajectory t = written(decoder, model.prompt());
  ASSERT_EQ(model.parameters().size(), 1u);
  Tensor rows = model.parameters()[0].second;
  const Tensor gradient = torch::autograd::grad({likelihood(model, t)}, {rows})[0];
  torch::NoGradGuard no_grad;
  constexpr double kStep = 1e-2;
  for (const auto& [row, column] : {std::pair{0, 0}, {1, 3}, {2, 5}, {3, 7}}) {
    const double before = rows[row][column].item<double>();
    rows[row][column] = before + kStep;
    const double above = likelihood(model, t).item<double>();
    rows[row][column] = before - kStep;
    const double below = likelihood(model, t).item<double>();
    rows[row][column] = before;
    EXPECT_NEAR(gradient[row][column].item<double>(), (above - below) / (2 * kStep), 2e-3);
  }
}

TEST(SoftPrompt, OfOneLabelDoesNotTouchAnother) {
  const Decoder decoder = tiny();
  const PromptedModel model(decoder, new_soft_prompt(decoder, 2, 2, 5), true);
  const rl::Trajectory t = written(decoder, model.prompt()).select(torch::tensor({0}));
  const Tensor gradient =
      torch::autograd::grad({likelihood(model, t)}, {model.parameters()[0].second})[0];
  EXPECT_GT(gradient.narrow(0, 0, 2).abs().sum().item<double>(), 0);
  EXPECT_EQ(gradient.narrow(0, 2, 2).abs().sum().item<double>(), 0);
  EXPECT_EQ(model.parameters().size(), 3u);  // the prompt, and what predicts the return
  EXPECT_TRUE(model.evaluate(t).value.defined());
}

// What writes with a cache says the same probabilities as what learns.
TEST(SoftPrompt, IsReadWithACacheAsWithout) {
  const Decoder decoder = tiny();
  const PromptedModel model(decoder, new_soft_prompt(decoder, 2, 3, 5), false);
  torch::NoGradGuard no_grad;
  Decoder prompted = model.decoder();
  const auto prefix = torch::tensor(model.prompt().ids(decoder, 1), torch::kInt64).unsqueeze(0);
  PrefixReader reader(prompted);
  reader.begin(prefix, torch::tensor({3}, torch::kInt64), 2);
  const Tensor step = reader.advance(torch::tensor({6}, torch::kInt64));
  const Tensor whole = prompted->forward(torch::cat({prefix, torch::tensor({{6}})}, 1), 3);
  EXPECT_TRUE(torch::allclose(step, whole.squeeze(1).mm(decoder->head_weight().t()), 1e-4, 1e-5));
}

TEST(SoftPrompt, ComesBackFromItsFile) {
  const Decoder decoder = tiny();
  const SoftPrompt prompt = new_soft_prompt(decoder, 2, 3, 5);
  const std::string path = testing::TempDir() + "/" + std::to_string(getpid()) + "_prompt";
  save_soft_prompt(prompt, path);
  const SoftPrompt found = load_soft_prompt(path, decoder, 2);
  EXPECT_TRUE(found.rows.equal(prompt.rows));
  EXPECT_EQ(found.tokens, 3);
  EXPECT_THROW(load_soft_prompt(path, decoder, 3), std::invalid_argument);
}

TEST(SoftPrompt, RefusesALabelItHasNoRowsFor) {
  const Decoder decoder = tiny();
  EXPECT_THROW(new_soft_prompt(decoder, 2, 3, 5).ids(decoder, 2), std::invalid_argument);
}

TEST(TextClassifier, EmbedsATextWhateverItIsPaddedWith) {
  const TextClassifier classifier(tiny(), 3, 1);
  torch::NoGradGuard no_grad;
  const Tensor both =
      classifier.embed(torch::tensor({{1, 2, -1, -1}, {3, 4, 5, 6}}, torch::kInt64));
  const Tensor first = classifier.embed(torch::tensor({{1, 2}}, torch::kInt64));
  EXPECT_TRUE(torch::allclose(both[0], first[0], 1e-5, 1e-6));
  EXPECT_NEAR(classifier.log_probs(first).exp().sum().item<double>(), 1, 1e-6);
}

TEST(TextClassifier, ComesBackFromItsFolder) {
  const TextClassifier classifier(tiny(), 3, 1);
  const std::string folder = testing::TempDir() + "/" + std::to_string(getpid()) + "_classifier";
  save_classifier(classifier, folder);
  const auto found = load_classifier(folder, load_decoder(folder), 3);
  torch::NoGradGuard no_grad;
  const Tensor ids = torch::tensor({{1, 2}}, torch::kInt64);
  EXPECT_TRUE(
      found->log_probs(found->embed(ids)).equal(classifier.log_probs(classifier.embed(ids))));
  EXPECT_THROW(load_classifier(folder, load_decoder(folder), 2), std::invalid_argument);
}

}  // namespace
}  // namespace agents
