// What Hugging Face transformers makes of tiny models, against ours
// (tests/fixtures/hf-parity/README.md).

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "agents/inference.h"
#include "agents/weights.h"
#include "rl/ops/linear.h"
#include "rl/safetensors.h"
#include "rl/torch.h"
#include "tests/agents/reference_decoder.h"

namespace agents {
namespace {

namespace fs = std::filesystem;
using rl::Tensor;

fs::path fixtures() {
  const char* elsewhere = std::getenv("DECANT_FIXTURES");
  return fs::path(elsewhere ? elsewhere : DECANT_TEST_FIXTURES) / "hf-parity";
}

fs::path scratch_folder(const std::string& name) {
  const fs::path folder = fs::path(testing::TempDir()) / ("decant_" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

class HfParity : public testing::TestWithParam<const char*> {
 protected:
  fs::path folder = fixtures() / GetParam();
  rl::SafetensorsFile expected{(folder / "expected.safetensors").string()};
  Decoder decoder = load_decoder(folder.string());
  Tensor ids = expected.tensor("input_ids");
  Tensor mask = expected.tensor("attention_mask");
};

// The reference itself is within 1.5e-5 of a float64 run; a wrong epsilon shows as 6e-4 (README).
TEST_P(HfParity, ReproducesTheLogits) {
  const Tensor found = logits(decoder, ids, mask);
  const Tensor difference = (found - expected.tensor("logits")).abs() * mask.unsqueeze(-1);
  EXPECT_LT(difference.max().item<double>(), 2e-4);
}

TEST_P(HfParity, ContinuesGreedilyWithTheSameTokens) {
  const Tensor greedy_ids = expected.tensor("greedy");
  EXPECT_TRUE(greedy(decoder, ids, mask, greedy_ids.size(1)).equal(greedy_ids));
}

// The numbers include what transformers predicts from the last padding token before a row, where
// attention sees nothing and averages over everything. Ours never computes that, so the numbers are
// checked against a slower decoder that does, and ours against that one on the tokens themselves.
TEST_P(HfParity, HasTheSameLossAndGradients) {
  // GPT-2 alone has no `padding_idx`.
  const ReferenceDecoder reference(decoder, decoder->config().is_gpt2() ? -1 : 0);
  std::vector<Tensor> predicted, label;
  for (int64_t row = 0; row < ids.size(0); ++row) {
    const Tensor seen = mask[row].narrow(0, 1, ids.size(1) - 1).eq(1);
    predicted.push_back(
        reference.logits(ids[row], mask[row]).narrow(0, 0, ids.size(1) - 1).index({seen}));
    label.push_back(ids[row].narrow(0, 1, ids.size(1) - 1).index({seen}));
  }
  const Tensor loss = at::cross_entropy_loss(torch::cat(predicted), torch::cat(label));
  loss.backward();
  const double expected_loss = expected.tensor("ce_loss").item<double>();
  EXPECT_NEAR(loss.item<double>(), expected_loss, 1e-3 * expected_loss);

  const auto about = nlohmann::json::parse(std::ifstream(folder / "expected.json"));
  const Tensor norms = expected.tensor("grad_norms");
  const auto parameters = decoder->named_parameters();
  ASSERT_EQ(about["grad_norms_of"].size(), parameters.size());
  for (int64_t i = 0; i < norms.size(0); ++i) {
    const auto name = about["grad_norms_of"][i].get<std::string>();
    const double norm = norms[i].item<double>();
    // A key's bias cancels in the softmax: its gradient is rounding alone.
    EXPECT_NEAR(parameters[name].grad().norm().item<double>(), norm, 1e-3 * norm + 1e-5) << name;
  }
}

TEST_P(HfParity, HasTheGradientsOfTheSlowerDecoder) {
  const Unpadded rows = unpad(ids, mask);
  const ReferenceDecoder reference(decoder);
  std::vector<std::vector<Tensor>> gradients;
  for (const bool ours : {false, true}) {
    const Tensor all = rl::ops::linear(decoder->forward(rows.ids), decoder->head_weight());
    Tensor loss = torch::zeros({});
    for (int64_t row = 0; row < ids.size(0); ++row) {
      const int64_t length = rows.lengths[row];
      const Tensor row_ids = rows.ids[row].narrow(0, 0, length);
      const Tensor scores = ours ? all[row].narrow(0, 0, length)
                                 : reference.logits(row_ids, torch::ones_like(row_ids));
      loss = loss + at::cross_entropy_loss(scores.narrow(0, 0, length - 1),
                                           row_ids.narrow(0, 1, length - 1));
    }
    gradients.push_back(torch::autograd::grad({loss}, decoder->parameters()));
  }
  const auto names = decoder->named_parameters().keys();
  for (size_t i = 0; i < names.size(); ++i) {
    const double norm = gradients[0][i].norm().item<double>();
    const double difference = (gradients[0][i] - gradients[1][i]).norm().item<double>();
    EXPECT_LT(difference, 1e-3 * norm + 1e-5) << names[i];
  }
}

TEST_P(HfParity, ReadsTheOlderSpellingOfTheConfig) {
  if (!fs::exists(folder / "config.v4.json")) GTEST_SKIP() << "one spelling only";
  const fs::path older = scratch_folder("older_spelling");
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename() != "config.json") fs::copy(entry.path(), older);
  }
  fs::rename(older / "config.v4.json", older / "config.json");
  Decoder again = load_decoder(older.string());
  EXPECT_TRUE(logits(again, ids, mask).equal(logits(decoder, ids, mask)));
}

TEST_P(HfParity, SavesWhatLoadsToTheSameLogitsBitForBit) {
  const fs::path copy = scratch_folder("saved");
  save_decoder(decoder, copy.string(), folder.string());
  Decoder again = load_decoder(copy.string());
  EXPECT_TRUE(logits(again, ids, mask).equal(logits(decoder, ids, mask)));
  EXPECT_TRUE(fs::exists(copy / "generation_config.json"));
}

TEST_P(HfParity, ReadsPaddingOnEitherSideAlike) {
  const Unpadded rows = unpad(ids, mask);
  Tensor right_mask = torch::zeros_like(mask);
  for (int64_t row = 0; row < ids.size(0); ++row) {
    right_mask[row].narrow(0, 0, rows.lengths[row]).fill_(1);
  }
  const Tensor left = logits(decoder, ids, mask);
  const Tensor right = logits(decoder, rows.ids, right_mask);
  for (int64_t row = 0; row < ids.size(0); ++row) {
    const int64_t length = rows.lengths[row];
    EXPECT_TRUE(
        left[row].narrow(0, rows.firsts[row], length).equal(right[row].narrow(0, 0, length)));
  }
}

// bfloat16 keeps 8 bits; these logits are below 12.
TEST_P(HfParity, StaysCloseWhenComputingInBfloat16) {
  Decoder rough =
      load_decoder(folder.string(), {.decoder = {.compute = torch::kBFloat16}, .frozen = true});
  const Tensor difference =
      (logits(rough, ids, mask) - expected.tensor("logits")).abs() * mask.unsqueeze(-1);
  EXPECT_LT(difference.max().item<double>(), 0.5);
  EXPECT_LT(difference.mean().item<double>(), 0.05);
}

INSTANTIATE_TEST_SUITE_P(Agents, HfParity,
                         testing::Values("gpt2", "llama-rope-linear-bias", "llama-rope-llama3",
                                         "llama-rope-yarn", "llama-sharded-bf16", "llama-tied",
                                         "llama-untied-gqa", "mistral-full", "mistral-sliding",
                                         "qwen2-tied-gqa", "qwen2-untied"),
                         [](const auto& instance) {
                           std::string name = instance.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace agents
