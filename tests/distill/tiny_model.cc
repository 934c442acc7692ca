#include "tests/distill/tiny_model.h"

#include <filesystem>
#include <fstream>

#include "agents/weights.h"
#include "envs/token/tokenizer.h"
#include "envs/token/train_tokenizer.h"

namespace distill {

namespace fs = std::filesystem;

void make_tiny_model(const std::string& folder, uint64_t seed, int64_t layers) {
  fs::create_directories(folder);
  const std::string text = folder + "/text.txt";
  {
    std::ofstream file(text);
    for (int i = 0; i < 200; ++i)
      file << "the cat sat on the mat and the dog ran after it " << i << "\n";
  }
  envs::train_tokenizer({.files = {text}, .vocabulary_size = 300}, folder);
  fs::remove(text);
  const int64_t size = envs::load_tokenizer(folder)->size();
  const auto config = agents::parse_decoder_config(
      R"({"model_type": "llama", "hidden_size": 16, "num_attention_heads": 2,
          "num_key_value_heads": 1, "intermediate_size": 32, "max_position_embeddings": 64,
          "num_hidden_layers": )" +
          std::to_string(layers) + R"(, "vocab_size": )" + std::to_string(size) + "}",
      "tiny");
  agents::save_decoder(agents::new_decoder(config, seed), folder);
}

void write_records(const std::string& path) {
  std::ofstream file(path);
  for (int i = 0; i < 40; ++i) {
    file << R"({"prompt": "the cat )" << i << R"(", "response": " sat on the mat )" << i % 7
         << "\"}\n";
  }
}

}  // namespace distill
