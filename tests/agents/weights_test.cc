#include "agents/weights.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "agents/inference.h"
#include "rl/safetensors.h"
#include "rl/torch.h"

namespace agents {
namespace {

namespace fs = std::filesystem;
using rl::Tensor;
using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;
using Tensors = std::vector<std::pair<std::string, Tensor>>;

DecoderConfig small_config(const std::string& more = "") {
  return parse_decoder_config(
      R"({"model_type": "llama", "vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 4,
          "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 32)" +
          more + "}",
      "config.json");
}

DecoderConfig gpt2_config() {
  return parse_decoder_config(
      R"({"model_type": "gpt2", "vocab_size": 20, "n_embd": 16, "n_layer": 2, "n_head": 2,
          "n_positions": 32})",
      "config.json");
}

class Weights : public testing::Test {
 protected:
  void SetUp() override {
    folder =
        fs::path(testing::TempDir()) /
        ("decant_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(folder);
    fs::create_directories(folder);
  }

  // Saves `decoder` after a change of its tensors.
  void save(const Decoder& decoder, const std::function<void(Tensors&)>& change) {
    save_decoder(decoder, folder.string());
    rl::SafetensorsFile file((folder / "model.safetensors").string());
    Tensors tensors;
    for (const auto& name : file.names()) tensors.emplace_back(name, file.tensor(name).clone());
    change(tensors);
    rl::write_safetensors((folder / "model.safetensors").string(), tensors);
  }

  static Tensor ids() { return torch::arange(10).view({2, 5}); }
  static Tensor mask() { return torch::ones({2, 5}, torch::kLong); }

  fs::path folder;
};

Tensor& named(Tensors& tensors, const std::string& name) {
  for (auto& [key, tensor] : tensors) {
    if (key == name) return tensor;
  }
  throw std::out_of_range(name);
}

TEST_F(Weights, ListsWhatIsMissingSurplusAndMisshapenInOneError) {
  save(new_decoder(small_config(), 1), [](Tensors& tensors) {
    named(tensors, "model.norm.weight") = torch::ones({17});
    for (auto& [name, tensor] : tensors) {
      if (name == "model.layers.1.mlp.up_proj.weight") name = "model.layers.1.mlp.upp.weight";
    }
    named(tensors, "lm_head.weight") = torch::ones({20, 16}, torch::kInt);
  });
  EXPECT_THAT([&] { load_decoder(folder.string()); },
              ThrowsMessage<std::runtime_error>(
                  AllOf(HasSubstr(folder.string() + ": the weights do not fit config.json"),
                        HasSubstr("missing: model.layers.1.mlp.up_proj.weight [24, 16]"),
                        HasSubstr("surplus: model.layers.1.mlp.upp.weight [24, 16]"),
                        HasSubstr("model.norm.weight [17] instead of [16]"),
                        HasSubstr("lm_head.weight of type Int instead of a floating-point type"))));
}

TEST_F(Weights, NamesTheTensorThatIsNotFinite) {
  for (const float value : {NAN, INFINITY}) {
    save(new_decoder(small_config(), 1), [value](Tensors& tensors) {
      named(tensors, "model.layers.2.mlp.down_proj.weight")[3][4] = value;
    });
    EXPECT_THAT([&] { load_decoder(folder.string()); },
                ThrowsMessage<std::runtime_error>(HasSubstr(
                    "tensor \"model.layers.2.mlp.down_proj.weight\" holds NaN or infinity")));
  }
}

TEST_F(Weights, ReadsPastTensorsThatCarryNothing) {
  Decoder tied = new_decoder(small_config(R"(, "tie_word_embeddings": true)"), 1);
  save(tied, [](Tensors& tensors) {
    tensors.emplace_back("lm_head.weight", named(tensors, "model.embed_tokens.weight").clone());
    tensors.emplace_back("model.layers.0.self_attn.rotary_emb.inv_freq", torch::ones({4}));
  });
  Decoder again = load_decoder(folder.string());
  EXPECT_TRUE(logits(again, ids(), mask()).equal(logits(tied, ids(), mask())));
}

TEST_F(Weights, ReadsGpt2WithItsMasksAndWithoutItsPrefix) {
  Decoder gpt2 = new_decoder(gpt2_config(), 1);
  save(gpt2, [](Tensors& tensors) {
    for (auto& [name, tensor] : tensors) name = name.substr(std::string("transformer.").size());
    tensors.emplace_back("h.0.attn.bias", torch::ones({1, 1, 32, 32}));
    tensors.emplace_back("h.0.attn.masked_bias", torch::zeros({}));
  });
  Decoder again = load_decoder(folder.string());
  EXPECT_TRUE(logits(again, ids(), mask()).equal(logits(gpt2, ids(), mask())));
}

TEST_F(Weights, ReadsShardsAndSaysWhichOneIsBroken) {
  Decoder decoder = new_decoder(small_config(), 1);
  save_decoder(decoder, folder.string());
  {
    rl::SafetensorsFile file((folder / "model.safetensors").string());
    Tensors first, second;
    std::ofstream index(folder / "model.safetensors.index.json");
    index << R"({"weight_map": {)";
    for (size_t i = 0; i < file.names().size(); ++i) {
      const std::string& name = file.names()[i];
      (i % 2 == 0 ? first : second).emplace_back(name, file.tensor(name));
      index << (i > 0 ? ", " : "") << '"' << name << R"(": ")" << (i % 2 == 0 ? "a" : "b")
            << ".safetensors\"";
    }
    index << "}}";
    rl::write_safetensors((folder / "a.safetensors").string(), first);
    rl::write_safetensors((folder / "b.safetensors").string(), second);
  }
  fs::remove(folder / "model.safetensors");
  Decoder again = load_decoder(folder.string());
  EXPECT_TRUE(logits(again, ids(), mask()).equal(logits(decoder, ids(), mask())));

  fs::resize_file(folder / "b.safetensors", fs::file_size(folder / "b.safetensors") - 10);
  EXPECT_THAT([&] { load_decoder(folder.string()); },
              ThrowsMessage<std::runtime_error>(HasSubstr("b.safetensors")));
  fs::copy_file(folder / "a.safetensors", folder / "b.safetensors",
                fs::copy_options::overwrite_existing);
  EXPECT_THAT([&] { load_decoder(folder.string()); },
              ThrowsMessage<std::runtime_error>(
                  AllOf(HasSubstr("b.safetensors: no tensor"), HasSubstr("index.json promises"))));
  fs::remove(folder / "b.safetensors");
  EXPECT_THROW(load_decoder(folder.string()), std::runtime_error);
  std::ofstream(folder / "model.safetensors.index.json") << "{";
  EXPECT_THAT([&] { load_decoder(folder.string()); },
              ThrowsMessage<std::runtime_error>(HasSubstr("\"weight_map\"")));
}

TEST_F(Weights, SaysWhichFilesAFolderLacks) {
  EXPECT_THAT([&] { load_decoder(folder.string()); },
              ThrowsMessage<std::runtime_error>(HasSubstr("config.json: cannot be read")));
  std::ofstream(folder / "config.json") << small_config().json;
  EXPECT_THAT([&] { load_decoder(folder.string()); },
              ThrowsMessage<std::runtime_error>(HasSubstr("expected model.safetensors or")));
}

TEST_F(Weights, AreSavedInTheTypeAskedForAndStayBfloat16WhereAsked) {
  Decoder decoder = new_decoder(small_config(), 1);
  save_decoder(decoder, folder.string(), "", torch::kBFloat16);
  EXPECT_EQ(load_decoder_config((folder / "config.json").string()).dtype, torch::kBFloat16);
  Decoder widened = load_decoder(folder.string());
  EXPECT_EQ(widened->parameters()[0].scalar_type(), torch::kFloat);
  EXPECT_TRUE(widened->parameters()[0].requires_grad());
  Decoder teacher = load_decoder(
      folder.string(),
      {.decoder = {.compute = torch::kBFloat16}, .frozen = true, .keep_bfloat16 = true});
  EXPECT_EQ(teacher->parameters()[0].scalar_type(), torch::kBFloat16);
  EXPECT_FALSE(teacher->parameters()[0].requires_grad());
  // The same numbers, wherever they are rounded.
  Decoder rounding =
      load_decoder(folder.string(), {.decoder = {.compute = torch::kBFloat16}, .frozen = true});
  EXPECT_TRUE(logits(teacher, ids(), mask()).equal(logits(rounding, ids(), mask())));
  EXPECT_THROW(load_decoder(folder.string(), {.keep_bfloat16 = true}), std::invalid_argument);
}

TEST_F(Weights, OfATrainedDecoderAreItsOwnNotTheFiles) {
  save_decoder(new_decoder(small_config(), 1), folder.string());
  Decoder decoder = load_decoder(folder.string());
  const Tensor before = decoder->parameters()[0].detach().clone();
  {
    std::ofstream file(folder / "model.safetensors", std::ios::in | std::ios::out);
    file.seekp(-64, std::ios::end);
    file << std::string(64, 'x');
  }
  EXPECT_TRUE(decoder->parameters()[0].equal(before));
  const torch::NoGradGuard no_grad;
  decoder->parameters()[0].add_(1);
}

TEST_F(Weights, AreSavedWithTheFilesOfTheirSource) {
  const fs::path source = folder / "source";
  fs::create_directories(source);
  std::ofstream(source / "tokenizer.json") << "{}";
  std::ofstream(source / "generation_config.json") << R"({"eos_token_id": 2})";
  std::ofstream(source / "unrelated.txt") << "no";
  const fs::path to = folder / "deep" / "student";
  save_decoder(new_decoder(small_config(), 1), to.string(), source.string());
  EXPECT_TRUE(fs::exists(to / "tokenizer.json"));
  EXPECT_TRUE(fs::exists(to / "generation_config.json"));
  EXPECT_FALSE(fs::exists(to / "unrelated.txt"));
  for (const auto& entry : fs::directory_iterator(to)) {
    EXPECT_NE(entry.path().extension(), ".partial");
  }
  // Onto itself: its own files stay.
  save_decoder(new_decoder(small_config(), 2), to.string(), to.string());
  EXPECT_TRUE(fs::exists(to / "tokenizer.json"));
}

TEST_F(Weights, ThatCannotBeWrittenLeaveTheOldOnes) {
  save_decoder(new_decoder(small_config(), 1), folder.string());
  const auto size = fs::file_size(folder / "model.safetensors");
  std::ofstream(folder / "file") << "in the way";
  EXPECT_THROW(save_decoder(new_decoder(small_config(), 1), (folder / "file").string()),
               std::runtime_error);
  // A folder where the file beside would stand.
  fs::create_directories(folder / "model.safetensors.partial" / "full");
  EXPECT_THROW(save_decoder(new_decoder(small_config(), 2), folder.string()), std::runtime_error);
  EXPECT_EQ(fs::file_size(folder / "model.safetensors"), size);
  EXPECT_NO_THROW(load_decoder(folder.string()));
}

TEST(NewDecoder, IsTheSameForTheSameSeed) {
  const auto first = new_decoder(small_config(), 5)->parameters();
  const auto same = new_decoder(small_config(), 5)->parameters();
  const auto other = new_decoder(small_config(), 6)->parameters();
  EXPECT_TRUE(first[0].equal(same[0]));
  EXPECT_FALSE(first[0].equal(other[0]));
}

TEST(NewDecoder, StartsAsTransformersDoes) {
  Decoder decoder = new_decoder(small_config(R"(, "attention_bias": true)"), 5);
  const auto parameters = decoder->named_parameters();
  EXPECT_TRUE(parameters["model.norm.weight"].eq(1).all().item<bool>());
  EXPECT_TRUE(parameters["model.layers.0.self_attn.q_proj.bias"].eq(0).all().item<bool>());
  EXPECT_NEAR(parameters["model.layers.0.mlp.up_proj.weight"].std().item<double>(), 0.02, 2e-3);
  const auto gpt2 = new_decoder(gpt2_config(), 5)->named_parameters();
  EXPECT_NEAR(gpt2["transformer.h.0.mlp.c_proj.weight"].std().item<double>(), 0.01, 1e-3);
}

TEST(LayersOf, TakesLayersEmbeddingsAndHeadOfTheTeacher) {
  Decoder teacher = new_decoder(small_config(), 5);
  Decoder student = every_nth_layer(teacher, 2);
  EXPECT_EQ(student->config().layers, 2);
  const auto from = teacher->named_parameters();
  const auto to = student->named_parameters();
  EXPECT_TRUE(
      to["model.layers.1.mlp.up_proj.weight"].equal(from["model.layers.2.mlp.up_proj.weight"]));
  EXPECT_TRUE(to["lm_head.weight"].equal(from["lm_head.weight"]));
  EXPECT_FALSE(to["lm_head.weight"].is_alias_of(from["lm_head.weight"]));
  EXPECT_TRUE(to["lm_head.weight"].requires_grad());
  Decoder all = layers_of(teacher, {0, 1, 2, 3});
  const Tensor ids = torch::arange(5).view({1, 5});
  EXPECT_TRUE(all->forward(ids).equal(teacher->forward(ids)));
  EXPECT_THROW(layers_of(teacher, {4}), std::invalid_argument);
  EXPECT_THROW(every_nth_layer(teacher, 0), std::invalid_argument);
}

}  // namespace
}  // namespace agents
