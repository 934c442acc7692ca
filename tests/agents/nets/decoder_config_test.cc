#include "agents/nets/decoder_config.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "rl/torch.h"

namespace agents {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

json llama() {
  return {{"model_type", "llama"},         {"vocab_size", 100},        {"hidden_size", 32},
          {"num_hidden_layers", 4},        {"num_attention_heads", 4}, {"intermediate_size", 64},
          {"max_position_embeddings", 128}};
}

DecoderConfig parse(const json& object) {
  return parse_decoder_config(object.dump(), "config.json");
}

TEST(DecoderConfig, FillsInWhatTransformersDoes) {
  const DecoderConfig config = parse(llama());
  EXPECT_EQ(config.key_value_heads, 4);
  EXPECT_EQ(config.head_width, 8);
  EXPECT_EQ(config.rope_theta, 10000);
  EXPECT_EQ(config.rope_scaling, RopeScaling::kNone);
  EXPECT_FALSE(config.tied_head);
  EXPECT_TRUE(config.eos_ids.empty());
  EXPECT_EQ(config.dtype, torch::kFloat);
  const DecoderConfig gpt2 = parse({{"model_type", "gpt2"}, {"vocab_size", 50257}});
  EXPECT_EQ(gpt2.width, 768);
  EXPECT_EQ(gpt2.intermediate_width, 3072);
  EXPECT_TRUE(gpt2.tied_head);
  EXPECT_EQ(gpt2.activation, Activation::kGeluTanh);
}

TEST(DecoderConfig, ReadsBothSpellings) {
  json older = llama();
  older["rope_theta"] = 5000.0;
  older["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};
  older["torch_dtype"] = "bfloat16";
  json newer = llama();
  newer["rope_parameters"] = {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 5000.0}};
  newer["dtype"] = "bfloat16";
  for (const json& object : {older, newer}) {
    const DecoderConfig config = parse(object);
    EXPECT_EQ(config.rope_theta, 5000);
    EXPECT_EQ(config.rope_scaling, RopeScaling::kLinear);
    EXPECT_EQ(config.rope_factor, 2);
    EXPECT_EQ(config.dtype, torch::kBFloat16);
  }
}

TEST(DecoderConfig, ReadsOneOrSeveralEndOfSequenceIds) {
  json object = llama();
  object["eos_token_id"] = 2;
  EXPECT_THAT(parse(object).eos_ids, ElementsAre(2));
  object["eos_token_id"] = {5, 6};
  EXPECT_THAT(parse(object).eos_ids, ElementsAre(5, 6));
}

TEST(DecoderConfig, SaysWhichLayersSeeAWindow) {
  json object = llama();
  object["sliding_window"] = 16;
  EXPECT_THAT(parse(object).windows, ElementsAre(0, 0, 0, 0));
  object["model_type"] = "mistral";
  EXPECT_THAT(parse(object).windows, ElementsAre(16, 16, 16, 16));
  object["model_type"] = "qwen2";
  EXPECT_THAT(parse(object).windows, ElementsAre(0, 0, 0, 0));
  object["use_sliding_window"] = true;
  object["max_window_layers"] = 3;
  EXPECT_THAT(parse(object).windows, ElementsAre(0, 0, 0, 16));
  object["layer_types"] = {"sliding_attention", "full_attention", "full_attention",
                           "full_attention"};
  EXPECT_THAT(parse(object).windows, ElementsAre(16, 0, 0, 0));
}

TEST(DecoderConfig, OfSomeLayersIsReadBackTheSame) {
  json object = llama();
  object["model_type"] = "qwen2";
  object["sliding_window"] = 16;
  object["use_sliding_window"] = true;
  object["max_window_layers"] = 2;
  object["kept"] = "as it is";
  const DecoderConfig chosen = with_layers(parse(object), {1, 3});
  EXPECT_EQ(chosen.layers, 2);
  EXPECT_THAT(chosen.windows, ElementsAre(0, 16));
  const std::string text = to_json(chosen, torch::kFloat);
  EXPECT_THAT(parse_decoder_config(text, "saved").windows, ElementsAre(0, 16));
  EXPECT_EQ(json::parse(text)["kept"], "as it is");
  EXPECT_THROW(with_layers(parse(object), {4}), std::invalid_argument);
  EXPECT_THROW(with_layers(parse(object), {}), std::invalid_argument);
}

TEST(DecoderConfig, IsSavedInItsOwnSpelling) {
  json object = llama();
  object["torch_dtype"] = "float16";
  const json older = json::parse(to_json(parse(object), torch::kBFloat16));
  EXPECT_EQ(older["torch_dtype"], "bfloat16");
  EXPECT_FALSE(older.contains("dtype"));
  EXPECT_EQ(json::parse(to_json(parse(llama()), torch::kFloat))["dtype"], "float32");
}

// One change each, and what the message must say beside the name of the file.
TEST(DecoderConfig, NamesFileKeyAndWhatIsSupported) {
  const std::vector<std::tuple<std::string, json, std::string>> wrong = {
      {"model_type", "mamba",
       R"("model_type": expected one of gpt2, llama, mistral, qwen2, found "mamba")"},
      {"model_type", nullptr, R"("model_type": expected a string, found nothing)"},
      {"vocab_size", "many", R"("vocab_size": expected a positive integer, found "many")"},
      {"hidden_size", 0, R"("hidden_size": expected a positive integer, found 0)"},
      {"num_attention_heads", 5,
       R"("num_attention_heads": expected a divisor of hidden_size, found 5)"},
      {"num_key_value_heads", 3,
       R"("num_key_value_heads": expected a divisor of num_attention_heads, found 3)"},
      {"head_dim", 7, R"("head_dim": expected an even number, found 7)"},
      {"hidden_act", "mish",
       R"("hidden_act": expected one of silu, gelu, gelu_new, gelu_pytorch_tanh, relu, found "mish")"},
      {"dtype", "int8", R"("dtype": expected one of float32, float16, bfloat16, found "int8")"},
      {"rms_norm_eps", -1, R"("rms_norm_eps": expected a positive number, found -1)"},
      {"tie_word_embeddings", "no", R"("tie_word_embeddings": expected true or false, found "no")"},
      {"eos_token_id", "end",
       R"("eos_token_id": expected an integer or a list of integers, found "end")"},
      {"rope_scaling",
       {{"rope_type", "dynamic"}, {"factor", 4.0}},
       R"("rope_scaling": "rope_type": expected one of default, linear, llama3, yarn, found "dynamic")"},
      {"rope_parameters",
       {{"rope_type", "longrope"}},
       R"("rope_parameters": "rope_type": expected one of default, linear, llama3, yarn, found "longrope")"},
      {"rope_scaling",
       {{"type", "linear"}},
       R"("rope_scaling": "factor": expected a number, found nothing)"},
      {"rope_parameters",
       {{"rope_type", "llama3"},
        {"factor", 8},
        {"low_freq_factor", 4},
        {"high_freq_factor", 1},
        {"original_max_position_embeddings", 64}},
       R"("high_freq_factor": expected a number above low_freq_factor, found 1)"}};
  for (const auto& [key, value, message] : wrong) {
    json object = llama();
    object[key] = value;
    EXPECT_THAT([&] { parse(object); }, ThrowsMessage<std::runtime_error>(testing::AllOf(
                                            HasSubstr("config.json: "), HasSubstr(message))));
  }
  EXPECT_THAT([] { parse_decoder_config("{", "config.json"); },
              ThrowsMessage<std::runtime_error>(HasSubstr("config.json: not JSON")));
  EXPECT_THAT([] { parse_decoder_config("[]", "config.json"); },
              ThrowsMessage<std::runtime_error>(HasSubstr("config.json: expected a JSON object")));
  EXPECT_THAT([] { load_decoder_config("/nowhere/config.json"); },
              ThrowsMessage<std::runtime_error>(HasSubstr("/nowhere/config.json: cannot be read")));
}

}  // namespace
}  // namespace agents
