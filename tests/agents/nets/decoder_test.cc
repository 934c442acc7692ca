#include "agents/nets/decoder.h"

#include <gmock/gmock.h>

#include <thread>

#include "agents/inference.h"
#include "agents/weights.h"
#include "rl/check.h"
#include "rl/torch.h"

namespace agents {
namespace {

using rl::Tensor;
using testing::HasSubstr;
using testing::ThrowsMessage;

DecoderConfig small_config(const std::string& more = "") {
  return parse_decoder_config(
      R"({"model_type": "mistral", "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 3,
          "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48,
          "max_position_embeddings": 40, "initializer_range": 0.3)" +
          more + "}",
      "config.json");
}

DecoderConfig gpt2_config() {
  return parse_decoder_config(
      R"({"model_type": "gpt2", "vocab_size": 50, "n_embd": 32, "n_layer": 2, "n_head": 4,
          "n_positions": 40, "initializer_range": 0.3})",
      "config.json");
}

Tensor some_ids(int64_t rows, int64_t length) {
  torch::manual_seed(3);
  return torch::randint(50, {rows, length}, torch::kLong);
}

double largest(const Tensor& x) { return x.abs().max().item<double>(); }

class DecoderOf : public testing::TestWithParam<DecoderConfig> {
 protected:
  Decoder decoder = new_decoder(GetParam(), 7);
};

// float32; sums in another order.
TEST_P(DecoderOf, ReadsThroughACacheWhatItReadsAtOnce) {
  const torch::NoGradGuard no_grad;
  const Tensor ids = some_ids(3, 12);
  const Tensor whole = decoder->forward(ids);
  KeyValueCache cache = decoder->new_cache(3, 12);
  std::vector<Tensor> pieces{decoder->forward(ids.narrow(1, 0, 9), cache)};
  pieces.push_back(decoder->forward(ids.narrow(1, 9, 1), cache));
  pieces.push_back(decoder->forward(ids.narrow(1, 10, 2), cache));
  EXPECT_LT(largest(torch::cat(pieces, 1) - whole), 1e-4);
  EXPECT_THAT(cache.lengths(), testing::ElementsAre(12, 12, 12));
}

TEST_P(DecoderOf, ReadsPromptsOfUnequalLengthsAndDropsRows) {
  const torch::NoGradGuard no_grad;
  const Tensor ids = some_ids(3, 12);
  const Tensor whole = decoder->forward(ids);
  KeyValueCache cache = decoder->new_cache(3, 14);
  const Tensor first = decoder->forward(ids.narrow(1, 0, 9), cache, {9, 2, 5});
  EXPECT_LT(largest(first[2].narrow(0, 0, 5) - whole[2].narrow(0, 0, 5)), 1e-4);
  cache.keep({0, 2});
  EXPECT_THAT(cache.lengths(), testing::ElementsAre(9, 5));
  const Tensor next = torch::stack({ids[0].narrow(0, 9, 2), ids[2].narrow(0, 5, 2)});
  const Tensor second = decoder->forward(next, cache);
  EXPECT_LT(largest(second[0] - whole[0].narrow(0, 9, 2)), 1e-4);
  EXPECT_LT(largest(second[1] - whole[2].narrow(0, 5, 2)), 1e-4);
}

TEST_P(DecoderOf, SeesNeitherPaddingNorTheFuture) {
  const torch::NoGradGuard no_grad;
  const Tensor ids = some_ids(2, 12);
  Tensor other = ids.clone();
  other.narrow(1, 8, 4).fill_(1);
  EXPECT_TRUE(decoder->forward(ids).narrow(1, 0, 8).equal(decoder->forward(other).narrow(1, 0, 8)));
}

TEST_P(DecoderOf, GivesTheLastRowsAlone) {
  const Tensor ids = some_ids(2, 12);
  std::vector<Tensor> values;
  std::vector<std::vector<Tensor>> gradients;
  for (const bool alone : {false, true}) {
    const Tensor hidden = alone ? decoder->forward(ids, 7) : decoder->forward(ids).narrow(1, 7, 5);
    values.push_back(hidden.detach());
    std::vector<Tensor> body;
    for (auto& parameter : decoder->named_parameters()) {
      if (parameter.key() != "lm_head.weight") body.push_back(parameter.value());
    }
    gradients.push_back(torch::autograd::grad({hidden.pow(3).sum()}, body));
  }
  EXPECT_LT(largest(values[0] - values[1]), 1e-4);
  for (size_t i = 0; i < gradients[0].size(); ++i) {
    EXPECT_LT(largest(gradients[0][i] - gradients[1][i]), 1e-3 * largest(gradients[0][i]) + 1e-5);
  }
}

TEST_P(DecoderOf, MayBeReadByManyThreadsAtOnce) {
  const Tensor ids = some_ids(4, 20);
  for (const auto compute : {torch::kFloat, torch::kBFloat16}) {
    Decoder shared = new_decoder(GetParam(), 7, {.compute = compute});
    const Tensor expected = shared->forward(ids).detach();
    Decoder fresh = new_decoder(GetParam(), 7, {.compute = compute});
    std::vector<Tensor> found(4);
    std::vector<std::thread> threads;
    for (int64_t row = 0; row < 4; ++row) {
      threads.emplace_back([&, row] {
        const Tensor hidden = fresh->forward(ids.narrow(0, row, 1));
        torch::autograd::grad({hidden.to(torch::kFloat).sum()}, {fresh->parameters()[0]});
        found[row] = hidden.detach();
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_LT(largest(torch::cat(found) - expected), compute == torch::kFloat ? 1e-4 : 0.2);
  }
}

TEST_P(DecoderOf, NamesAnIdOutsideTheVocabularyAndItsPlace) {
  Tensor ids = some_ids(2, 5);
  ids[1][3] = 50;
  EXPECT_THAT([&] { decoder->forward(ids); },
              ThrowsMessage<std::invalid_argument>(
                  HasSubstr("id 50 at row 1, position 3: outside the vocabulary of 50 tokens")));
  ids[1][3] = -1;
  KeyValueCache cache = decoder->new_cache(2, 5);
  EXPECT_THROW(decoder->forward(ids, cache), std::invalid_argument);
  EXPECT_THROW(decoder->forward(ids.to(torch::kInt)), std::invalid_argument);
  EXPECT_THROW(decoder->forward(ids[0]), rl::ShapeError);
}

TEST_P(DecoderOf, RefusesMoreThanItsContext) {
  EXPECT_THAT([&] { decoder->forward(some_ids(1, 41)); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("41 tokens exceeds the context")));
  EXPECT_THROW(decoder->new_cache(1, 41), std::invalid_argument);
  KeyValueCache cache = decoder->new_cache(2, 6);
  decoder->forward(some_ids(2, 5), cache, {5, 3});
  EXPECT_THAT([&] { decoder->forward(some_ids(2, 2), cache); },
              ThrowsMessage<std::invalid_argument>(
                  HasSubstr("row 0: 5 tokens and 2 more exceed the key-value cache of 6")));
  EXPECT_THAT(cache.lengths(), testing::ElementsAre(5, 3));
  EXPECT_THROW(decoder->forward(some_ids(3, 1), cache), std::invalid_argument);
  EXPECT_THROW(cache.keep({1, 0}), std::invalid_argument);
  EXPECT_THROW(cache.keep({2}), std::invalid_argument);
}

TEST_P(DecoderOf, CopiesAreIndependent) {
  Decoder copy(decoder->copy());
  const Tensor ids = some_ids(1, 5);
  EXPECT_TRUE(copy->forward(ids).equal(decoder->forward(ids)));
  const torch::NoGradGuard no_grad;
  copy->parameters()[0].zero_();
  EXPECT_FALSE(copy->forward(ids).equal(decoder->forward(ids)));
}

TEST_P(DecoderOf, ComputesInBfloat16OverItsFloatWeights) {
  Decoder rough = new_decoder(GetParam(), 7, {.compute = torch::kBFloat16});
  const Tensor ids = some_ids(2, 10);
  const Tensor hidden = rough->forward(ids);
  EXPECT_EQ(hidden.scalar_type(), torch::kBFloat16);
  const Tensor exact = decoder->forward(ids);
  EXPECT_LT((hidden.to(torch::kFloat) - exact).norm().item<double>(),
            0.05 * exact.norm().item<double>());
  hidden.to(torch::kFloat).pow(3).sum().backward();
  exact.pow(3).sum().backward();
  for (const auto& parameter : rough->named_parameters()) {
    if (parameter.key() == "lm_head.weight") continue;
    const Tensor gradient = decoder->named_parameters()[parameter.key()].grad();
    EXPECT_EQ(parameter.value().grad().scalar_type(), torch::kFloat);
    EXPECT_LT((parameter.value().grad() - gradient).norm().item<double>(),
              0.15 * gradient.norm().item<double>() + 1e-3)
        << parameter.key();
  }
}

INSTANTIATE_TEST_SUITE_P(Agents, DecoderOf,
                         testing::Values(small_config(), small_config(R"(, "sliding_window": 4)"),
                                         gpt2_config()));

TEST(Decoder, TrimsAPaddedHead) {
  Decoder decoder = new_decoder(small_config(), 1, {.vocabulary_size = 47});
  EXPECT_EQ(decoder->vocabulary_size(), 47);
  EXPECT_EQ(decoder->head_weight().sizes(), (c10::IntArrayRef{47, 32}));
  EXPECT_THROW(new_decoder(small_config(), 1, {.vocabulary_size = 51}), std::invalid_argument);
  EXPECT_THROW(new_decoder(small_config(), 1, {.compute = torch::kHalf}), std::invalid_argument);
}

TEST(Decoder, TiesTheHeadToTheEmbedding) {
  Decoder tied = new_decoder(small_config(R"(, "tie_word_embeddings": true)"), 1);
  EXPECT_FALSE(tied->named_parameters().contains("lm_head.weight"));
  EXPECT_TRUE(tied->head_weight().is_same(tied->named_parameters()["model.embed_tokens.weight"]));
}

TEST(Unpad, MovesTokensToTheLeftEdge) {
  const Tensor ids = torch::tensor({{9, 9, 1, 2}, {3, 4, 5, 9}, {9, 9, 9, 9}}, torch::kLong);
  const Tensor mask = torch::tensor({{0, 0, 1, 1}, {1, 1, 1, 0}, {0, 0, 0, 0}}, torch::kLong);
  const Unpadded rows = unpad(ids, mask);
  EXPECT_TRUE(
      rows.ids.equal(torch::tensor({{1, 2, 0, 0}, {3, 4, 5, 0}, {0, 0, 0, 0}}, torch::kLong)));
  EXPECT_THAT(rows.firsts, testing::ElementsAre(2, 0, 0));
  EXPECT_THAT(rows.lengths, testing::ElementsAre(2, 3, 0));
}

TEST(Unpad, RefusesAMaskWithHoles) {
  const Tensor ids = torch::zeros({2, 4}, torch::kLong);
  const Tensor mask = torch::tensor({{1, 1, 1, 1}, {1, 0, 1, 1}}, torch::kLong);
  EXPECT_THAT([&] { unpad(ids, mask); },
              ThrowsMessage<std::invalid_argument>(HasSubstr("row 1 is not one run of ones")));
}

TEST(Decoder, MakesNothingOfNothing) {
  Decoder decoder = new_decoder(small_config(), 1);
  EXPECT_EQ(decoder->forward(torch::zeros({2, 0}, torch::kLong)).size(1), 0);
}

TEST(Greedy, RefusesEmptyRowsAndTooShortAContext) {
  Decoder decoder = new_decoder(small_config(), 1);
  const Tensor ids = torch::zeros({1, 4}, torch::kLong);
  EXPECT_THROW(greedy(decoder, ids, torch::zeros_like(ids), 3), std::invalid_argument);
  EXPECT_THROW(greedy(decoder, ids, torch::ones_like(ids), 38), std::invalid_argument);
  EXPECT_EQ(greedy(decoder, ids, torch::ones_like(ids), 37).size(1), 37);
  EXPECT_EQ(greedy(decoder, ids, torch::ones_like(ids), 0).size(1), 0);
}

}  // namespace
}  // namespace agents
