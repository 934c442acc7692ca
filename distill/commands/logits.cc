#include "agents/inference.h"
#include "distill/commands/command_line.h"
#include "distill/commands/model_options.h"
#include "distill/options.h"
#include "rl/safetensors.h"
#include "rl/torch.h"

namespace distill {
namespace {

using rl::Tensor;

Tensor read_ids(const rl::SafetensorsFile& file, const std::string& name) {
  const Tensor tensor = file.tensor(name);
  if (tensor.scalar_type() != torch::kInt64 || tensor.dim() != 2) {
    throw std::runtime_error(file.path() + ": " + name + ": expected int64 [B, T], found " +
                             toString(tensor.scalar_type()) + " of " +
                             std::to_string(tensor.dim()) + " dimensions");
  }
  return tensor;
}

}  // namespace

int logits_command(const Words& words) {
  ModelOptions model;
  std::string input, output;
  int64_t greedy = 0;
  CommandLine line(
      "decant logits --model DIR --input FILE --output FILE",
      "Reads `input_ids` and `attention_mask` (int64 [B, T], padded on either side) and "
      "writes `logits`\n(float32 [B, T, V], zero at padding); with --greedy N also "
      "`greedy` (int64 [B, N]).");
  model.add_to(line);
  line.option("input", value(&input)->required(), "safetensors");
  line.option("output", value(&output)->required(), "safetensors");
  line.option("greedy", value(&greedy)->default_value(0),
              "ids to generate after each row, without stopping at EOS");
  if (!line.read(words)) return 0;
  if (greedy < 0) throw ConfigError("decant logits: needs greedy >= 0");

  const rl::SafetensorsFile file(input);
  const Tensor ids = read_ids(file, "input_ids");
  const Tensor mask =
      file.contains("attention_mask") ? read_ids(file, "attention_mask") : torch::ones_like(ids);
  agents::Decoder decoder = load_model(model);
  std::vector<std::pair<std::string, Tensor>> results = {
      {"logits", agents::logits(decoder, ids, mask)}};
  if (greedy > 0) results.emplace_back("greedy", agents::greedy(decoder, ids, mask, greedy));
  rl::write_safetensors(output, results);
  return 0;
}

}  // namespace distill
