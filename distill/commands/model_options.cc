#include "distill/commands/model_options.h"

#include <algorithm>

#include "agents/weights.h"
#include "distill/device.h"
#include "distill/options.h"
#include "rl/parallel.h"
#include "rl/torch.h"

namespace distill {

void ModelOptions::add_to(CommandLine& line) {
  line.option("model", value(&folder)->required(), "a Hugging Face folder");
  line.option("device", value(&device)->default_value(device), "cpu, cuda or cuda:N");
  line.option("compute", value(&compute)->default_value(compute),
              "type of matrix products: float32 or bfloat16");
}

agents::Decoder load_model(const ModelOptions& options, int64_t vocabulary_size) {
  require_device(options.device, "--device");
  if (options.compute != "float32" && options.compute != "bfloat16") {
    throw ConfigError("--compute: expected float32 or bfloat16, found \"" + options.compute + "\"");
  }
  const bool half = options.compute == "bfloat16";
  const agents::LoadOptions load{.decoder = {.compute = half ? torch::kBFloat16 : torch::kFloat32,
                                             .vocabulary_size = vocabulary_size},
                                 .frozen = true,
                                 .keep_bfloat16 = half};
  agents::Decoder decoder = agents::load_decoder(options.folder, load);
  decoder->to(torch::Device(options.device));
  return decoder;
}

LoadedModel load_with_tokenizer(const ModelOptions& options) {
  const auto tokenizer = envs::load_tokenizer(options.folder);
  LoadedModel loaded{load_model(options, tokenizer->size()), tokenizer};
  if (loaded.decoder->vocabulary_size() < tokenizer->size()) {
    throw std::runtime_error(options.folder + ": the model's vocabulary of " +
                             std::to_string(loaded.decoder->vocabulary_size()) +
                             " is smaller than its tokenizer's " +
                             std::to_string(tokenizer->size()));
  }
  return loaded;
}

rl::Threads threads_for(int64_t rows) {
  const int cores = rl::core_count();
  const int shards = static_cast<int>(std::clamp<int64_t>(rows, 1, cores));
  return {shards, cores / shards};
}

}  // namespace distill
