#include "agents/weights.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <stdexcept>

#include "rl/check.h"
#include "rl/safetensors.h"
#include "rl/torch.h"

namespace agents {
namespace {

namespace fs = std::filesystem;
using rl::Tensor;

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path.string() + ": cannot be read");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Written beside, flushed to the disk and renamed.
void write_text(const fs::path& path, const std::string& text) {
  const std::string partial = path.string() + ".partial";
  const int file = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  bool good = file >= 0;
  for (size_t done = 0; good && done < text.size();) {
    const ssize_t written = ::write(file, text.data() + done, text.size() - done);
    good = written > 0;
    if (good) done += static_cast<size_t>(written);
  }
  good = good && ::fsync(file) == 0;
  const int error = errno;
  if (file >= 0) ::close(file);
  if (!good) {
    ::unlink(partial.c_str());
    throw std::runtime_error(path.string() + ": cannot be written: " + std::strerror(error));
  }
  fs::rename(partial, path);
}

// The shards of a checkpoint, and which of them holds which tensor.
class Checkpoint {
 public:
  explicit Checkpoint(const fs::path& folder) : folder_(folder) {
    const fs::path index = folder / "model.safetensors.index.json";
    if (fs::exists(folder / "model.safetensors")) {
      const auto file = open(folder / "model.safetensors");
      for (const std::string& name : file->names()) files_[name] = file;
    } else if (fs::exists(index)) {
      read_index(index);
    } else {
      throw std::runtime_error(folder.string() +
                               ": expected model.safetensors or model.safetensors.index.json");
    }
  }

  const std::map<std::string, std::shared_ptr<rl::SafetensorsFile>>& files() const {
    return files_;
  }

 private:
  static std::shared_ptr<rl::SafetensorsFile> open(const fs::path& path) {
    return std::make_shared<rl::SafetensorsFile>(path.string());
  }

  void read_index(const fs::path& path) {
    const auto index = nlohmann::json::parse(read_text(path), nullptr, false);
    if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
      throw std::runtime_error(path.string() +
                               ": expected a JSON object with an object \"weight_map\"");
    }
    std::map<std::string, std::shared_ptr<rl::SafetensorsFile>> shards;
    for (const auto& [name, shard] : index["weight_map"].items()) {
      if (!shard.is_string()) {
        throw std::runtime_error(path.string() + ": weight_map: \"" + name +
                                 "\": expected a file name, found " + shard.dump());
      }
      auto& file = shards[shard.get<std::string>()];
      if (!file) file = open(folder_ / shard.get<std::string>());
      if (!file->contains(name)) {
        throw std::runtime_error(file->path() + ": no tensor \"" + name + "\", which " +
                                 path.string() + " promises");
      }
      files_[name] = file;
    }
  }

  fs::path folder_;
  std::map<std::string, std::shared_ptr<rl::SafetensorsFile>> files_;
};

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Buffers that older files hold and that follow from the config, and the head where it is tied.
bool carries_nothing(const std::string& name, const DecoderConfig& config) {
  if (config.is_gpt2() && (ends_with(name, ".attn.bias") || ends_with(name, ".attn.masked_bias"))) {
    return true;
  }
  return ends_with(name, "rotary_emb.inv_freq") || (config.tied_head && name == "lm_head.weight");
}

// GPT-2 saved without its head lacks the prefix.
std::map<std::string, std::string> file_names_by_parameter(const Checkpoint& checkpoint,
                                                           const DecoderConfig& config) {
  const std::string prefix = "transformer.";
  bool add_prefix = config.is_gpt2();
  for (const auto& [name, file] : checkpoint.files()) {
    add_prefix = add_prefix && name.compare(0, prefix.size(), prefix) != 0;
  }
  std::map<std::string, std::string> names;
  for (const auto& [name, file] : checkpoint.files()) {
    if (carries_nothing(name, config)) continue;
    names[add_prefix && name != "lm_head.weight" ? prefix + name : name] = name;
  }
  return names;
}

std::string describe(const std::string& name, c10::IntArrayRef sizes) {
  std::ostringstream text;
  text << name << " " << sizes;
  return text.str();
}

std::string join(const char* title, const std::vector<std::string>& items) {
  if (items.empty()) return "";
  std::string text = std::string("; ") + title + ": ";
  for (size_t i = 0; i < items.size(); ++i) text += (i > 0 ? ", " : "") + items[i];
  return text;
}

bool all_finite(const Tensor& tensor) {
  // In pieces, so that the answers never need much memory.
  const Tensor flat = tensor.reshape({-1});
  constexpr int64_t kPiece = int64_t{1} << 22;
  for (int64_t begin = 0; begin < flat.numel(); begin += kPiece) {
    const Tensor piece = flat.narrow(0, begin, std::min(kPiece, flat.numel() - begin));
    if (!at::isfinite(piece).all().item<bool>()) return false;
  }
  return true;
}

void fill(Decoder& decoder, const Checkpoint& checkpoint, const std::string& folder,
          const LoadOptions& options) {
  auto names = file_names_by_parameter(checkpoint, decoder->config());
  std::vector<std::string> missing, misshaped, surplus;
  std::vector<std::pair<Tensor, Tensor>> fits;  // parameter, found
  std::vector<std::string> fitting;
  for (auto& parameter : decoder->named_parameters()) {
    const auto name = names.find(parameter.key());
    if (name == names.end()) {
      missing.push_back(describe(parameter.key(), parameter.value().sizes()));
      continue;
    }
    const Tensor found = checkpoint.files().at(name->second)->tensor(name->second);
    if (found.sizes() != parameter.value().sizes()) {
      std::ostringstream expected;
      expected << parameter.value().sizes();
      misshaped.push_back(describe(name->second, found.sizes()) + " instead of " + expected.str());
    } else if (!found.is_floating_point()) {
      misshaped.push_back(name->second + " of type " + c10::toString(found.scalar_type()) +
                          " instead of a floating-point type");
    }
    fits.emplace_back(parameter.value(), found);
    fitting.push_back(name->second);
    names.erase(name);
  }
  for (const auto& [parameter, name] : names) {
    surplus.push_back(describe(name, checkpoint.files().at(name)->tensor(name).sizes()));
  }
  if (!missing.empty() || !misshaped.empty() || !surplus.empty()) {
    throw std::runtime_error(folder + ": the weights do not fit config.json" +
                             join("missing", missing) + join("surplus", surplus) +
                             join("of the wrong shape", misshaped));
  }
  for (size_t i = 0; i < fits.size(); ++i) {
    auto& [parameter, found] = fits[i];
    if (!all_finite(found)) {
      throw std::runtime_error(folder + ": tensor \"" + fitting[i] + "\" holds NaN or infinity");
    }
    const bool stays = options.keep_bfloat16 && found.scalar_type() == at::kBFloat16;
    Tensor data = stays ? found : found.to(at::kFloat);
    if (!options.frozen && data.is_same(found)) data = data.clone();
    parameter.set_data(data);
    parameter.set_requires_grad(!options.frozen);
  }
}

bool is_projection_into_the_stream(const std::string& name) {
  return ends_with(name, "c_proj.weight");
}

}  // namespace

Decoder load_decoder(const std::string& folder, const LoadOptions& options) {
  rl::require(
      !options.keep_bfloat16 || (options.frozen && options.decoder.compute == c10::kBFloat16),
      "weights can stay bfloat16 only in a frozen decoder that computes in bfloat16");
  Decoder decoder(load_decoder_config((fs::path(folder) / "config.json").string()),
                  options.decoder);
  fill(decoder, Checkpoint(folder), folder, options);
  return decoder;
}

Decoder new_decoder(const DecoderConfig& config, uint64_t seed, const DecoderOptions& options) {
  Decoder decoder(config, options);
  const at::NoGradGuard no_grad;
  at::Generator generator = at::detail::createCPUGenerator(seed);
  for (auto& parameter : decoder->named_parameters()) {
    const std::string& name = parameter.key();
    Tensor& weight = parameter.value();
    if (ends_with(name, ".bias")) {
      weight.zero_();
    } else if (weight.dim() == 1) {
      weight.fill_(1);
    } else {
      const double smaller = config.is_gpt2() && is_projection_into_the_stream(name)
                                 ? std::sqrt(2.0 * static_cast<double>(config.layers))
                                 : 1;
      weight.normal_(0, config.initializer_range / smaller, generator);
    }
  }
  return decoder;
}

Decoder layers_of(const Decoder& teacher, const std::vector<int64_t>& layers,
                  const DecoderOptions& options) {
  const DecoderConfig config = with_layers(teacher->config(), layers);
  Decoder student(config, options);
  const auto from = teacher->named_parameters();
  const std::string prefix = config.is_gpt2() ? "transformer.h." : "model.layers.";
  for (auto& parameter : student->named_parameters()) {
    std::string name = parameter.key();
    if (name.compare(0, prefix.size(), prefix) == 0) {
      const size_t end = name.find('.', prefix.size());
      const int64_t layer = layers[std::stoll(name.substr(prefix.size(), end - prefix.size()))];
      name = prefix + std::to_string(layer) + name.substr(end);
    }
    parameter.value().set_data(from[name].detach().to(at::kFloat, false, /*copy=*/true));
  }
  return student;
}

Decoder every_nth_layer(const Decoder& teacher, int64_t n, const DecoderOptions& options) {
  rl::require(n >= 1, "every n-th layer: expected n of at least 1, found " + std::to_string(n));
  std::vector<int64_t> layers;
  for (int64_t layer = 0; layer < teacher->config().layers; layer += n) layers.push_back(layer);
  return layers_of(teacher, layers, options);
}

void save_decoder(const Decoder& decoder, const std::string& folder, const std::string& source,
                  c10::ScalarType dtype) {
  const std::string config = to_json(decoder->config(), dtype);
  const fs::path to(folder);
  try {
    fs::create_directories(to);
    if (!source.empty() && !(fs::exists(to) && fs::equivalent(source, to))) {
      for (const char* name : {"tokenizer.json", "tokenizer_config.json", "tokenizer.model",
                               "special_tokens_map.json", "added_tokens.json", "vocab.json",
                               "merges.txt", "chat_template.jinja", "generation_config.json"}) {
        const fs::path from = fs::path(source) / name;
        if (fs::exists(from)) write_text(to / name, read_text(from));
      }
    }
    write_text(to / "config.json", config);
  } catch (const fs::filesystem_error& error) {
    throw std::runtime_error(folder + ": cannot be written: " + error.code().message());
  }
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& parameter : decoder->named_parameters()) {
    tensors.emplace_back(parameter.key(), parameter.value().detach().to(at::kCPU, dtype));
  }
  rl::write_safetensors((to / "model.safetensors").string(), tensors, {{"format", "pt"}});
}

}  // namespace agents
