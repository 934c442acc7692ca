#include "agents/nets/lora.h"

#include <gmock/gmock.h>

#include "agents/language_model.h"
#include "agents/weights.h"
#include "rl/torch.h"

namespace agents {
namespace {

using rl::Tensor;

Decoder tiny(const std::string& family) {
  const std::string json =
      family == "gpt2"
          ? R"({"model_type": "gpt2", "vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 2,
                "n_positions": 64, "initializer_range": 0.2})"
          : R"({"model_type": "llama", "vocab_size": 40, "hidden_size": 16,
                "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
                "num_key_value_heads": 1, "max_position_embeddings": 64,
                "initializer_range": 0.2, "tie_word_embeddings": false})";
  return new_decoder(parse_decoder_config(json, "tiny"), 3);
}

Tensor some_ids() { return torch::arange(12).view({2, 6}) % 40; }

void disturb(const Lora& modules) {
  torch::NoGradGuard no_grad;
  at::Generator generator = at::detail::createCPUGenerator(7);
  for (auto& [name, tensor] : modules.parameters()) Tensor(tensor).normal_(0, 0.3, generator);
}

class LoraOf : public testing::TestWithParam<std::string> {};

// OKD-1: W = I, x = [1, 2], W_down = [.5, .25]^T, W_up = [.2, .4], s = 1 give h = [1.2, 2.4].
TEST(Lora, HasTheWorkedNumbersOfOkd1) {
  DecoderConfig config = tiny("llama")->config();
  config.width = config.head_width = 2;
  config.heads = config.key_value_heads = config.layers = 1;
  const Lora modules(config, {.rank = 1, .scale = 1}, torch::kCPU);
  const Tensor x = torch::tensor({{1.0F, 2.0F}});
  const Tensor projected = torch::cat({x, x, x}, -1);
  EXPECT_TRUE(modules.added(0, x, projected).equal(projected));
  torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : modules.parameters()) {
    const bool down = name.find("down") != std::string::npos;
    Tensor(tensor).copy_(down ? torch::tensor({{0.5F, 0.25F}}) : torch::tensor({{0.2F}, {0.4F}}));
  }
  const Tensor expected = torch::tensor({{1.2F, 2.4F, 1.0F, 2.0F, 1.2F, 2.4F}});
  EXPECT_TRUE(torch::allclose(modules.added(0, x, projected), expected));
}

TEST_P(LoraOf, BeginsAsTheDecoderItIsAttachedTo) {
  torch::NoGradGuard no_grad;
  const Decoder base = tiny(GetParam());
  const auto modules = std::make_shared<Lora>(base->config(), LoraOptions{.rank = 3}, torch::kCPU);
  Decoder adapted(base->with_modules(modules));
  EXPECT_TRUE(adapted->forward(some_ids()).equal(Decoder(base)->forward(some_ids())));
  disturb(*modules);
  EXPECT_FALSE(adapted->forward(some_ids()).equal(Decoder(base)->forward(some_ids())));
}

TEST_P(LoraOf, IsNoParameterOfTheDecoderAndWantsAllOfTheGradient) {
  const Decoder base = tiny(GetParam());
  const auto modules = std::make_shared<Lora>(base->config(), LoraOptions{.rank = 3}, torch::kCPU);
  Decoder adapted(base->with_modules(modules));
  EXPECT_EQ(adapted->parameters().size(), base->parameters().size());
  for (const auto& parameter : adapted->parameters()) EXPECT_FALSE(parameter.requires_grad());
  for (const auto& parameter : base->parameters()) EXPECT_TRUE(parameter.requires_grad());
  EXPECT_EQ(ModulesModel(adapted).parameters().size(), 2U * 2 * 2);
}

// Against differences in double of the direction that the gradient names.
TEST_P(LoraOf, HasTheGradientOfItsNumbers) {
  const Decoder base = tiny(GetParam());
  const auto modules = std::make_shared<Lora>(base->config(), LoraOptions{.rank = 3}, torch::kCPU);
  disturb(*modules);
  Decoder adapted(base->with_modules(modules));
  const Tensor weight = torch::randn({2, 6, 16});
  const auto loss = [&] { return (adapted->forward(some_ids()) * weight).sum(); };
  std::vector<Tensor> tensors;
  for (const auto& [name, tensor] : modules->parameters()) tensors.push_back(tensor);
  const auto gradients = torch::autograd::grad({loss()}, tensors);
  torch::NoGradGuard no_grad;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor step = gradients[i] / gradients[i].norm();
    const double size = 1e-2;
    tensors[i].add_(step, size);
    const double above = loss().item<double>();
    tensors[i].sub_(step, 2 * size);
    const double below = loss().item<double>();
    tensors[i].add_(step, size);
    const double norm = gradients[i].norm().item<double>();
    EXPECT_NEAR((above - below) / (2 * size), norm, 0.02 * norm + 1e-3) << i;
  }
}

TEST_P(LoraOf, WritesWithACacheWhatItReadsWithoutOne) {
  torch::NoGradGuard no_grad;
  const Decoder base = tiny(GetParam());
  const auto modules = std::make_shared<Lora>(base->config(), LoraOptions{.rank = 3}, torch::kCPU);
  disturb(*modules);
  Decoder adapted(base->with_modules(modules));
  KeyValueCache cache = adapted->new_cache(2, 6);
  const Tensor first = adapted->forward(some_ids().narrow(1, 0, 4), cache);
  const Tensor rest = adapted->forward(some_ids().narrow(1, 4, 2), cache);
  EXPECT_TRUE(
      torch::allclose(torch::cat({first, rest}, 1), adapted->forward(some_ids()), 1e-4, 1e-4));
}

TEST_P(LoraOf, CopiesHaveNumbersOfTheirOwn) {
  torch::NoGradGuard no_grad;
  const Decoder base = tiny(GetParam());
  const auto modules = std::make_shared<Lora>(base->config(), LoraOptions{.rank = 3}, torch::kCPU);
  const ModulesModel model(Decoder(base->with_modules(modules)));
  const auto copy = model.clone();
  disturb(*modules);
  EXPECT_FALSE(copy->parameters()[0].second.equal(model.parameters()[0].second));
  EXPECT_EQ(copy->parameters()[0].first, "layers.0.query.down");
}

INSTANTIATE_TEST_SUITE_P(Families, LoraOf, testing::Values("llama", "gpt2"),
                         [](const auto& entry) { return entry.param; });

TEST(Lora, RefusesWhatItCannotBe) {
  const DecoderConfig config = tiny("llama")->config();
  EXPECT_THROW(Lora(config, {.rank = 0}, torch::kCPU), std::invalid_argument);
  EXPECT_THROW(Lora(config, {.scale = 0}, torch::kCPU), std::invalid_argument);
  EXPECT_THROW(ModulesModel(tiny("llama")), std::invalid_argument);
}

}  // namespace
}  // namespace agents
