#include "rl/checkpoint.h"

#include <algorithm>
#include <boost/crc.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "rl/safetensors.h"
#include "rl/torch.h"

namespace rl {
namespace fs = std::filesystem;
namespace {

constexpr int kFormat = 2;
constexpr const char* kTensors = "state.safetensors";
constexpr const char* kManifest = "manifest.json";

std::string folder_of(const std::string& folder, int64_t step) {
  const std::string digits = std::to_string(step);
  return folder + "/" + std::string(digits.size() < 8 ? 8 - digits.size() : 0, '0') + digits;
}

std::vector<int64_t> steps_in(const std::string& folder) {
  std::vector<int64_t> steps;
  if (!fs::is_directory(folder)) return steps;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool digits =
        std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (digits && fs::exists(entry.path() / kManifest)) steps.push_back(std::stoll(name));
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

void write_manifest(const std::string& path, int64_t step, uint32_t crc) {
  std::ofstream file(path);
  file << nlohmann::json{{"format", kFormat}, {"step", step}, {"crc32", crc}}.dump(2) << '\n';
  file.flush();
  if (!file) throw std::runtime_error(path + ": cannot be written (is the disk full?)");
}

}  // namespace

uint32_t checksum(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  boost::crc_32_type crc;
  std::vector<char> buffer(size_t{1} << 20);
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) ||
         file.gcount() > 0) {
    crc.process_bytes(buffer.data(), static_cast<size_t>(file.gcount()));
  }
  return crc.checksum();
}

void State::put(const std::string& name, int64_t value) {
  tensors_[name] = torch::tensor(value, torch::kInt64);
}

void State::put(const std::string& name, double value) {
  tensors_[name] = torch::tensor(value, torch::kFloat64);
}

void State::put(const std::string& name, const State& part) {
  for (const auto& [key, tensor] : part.tensors()) tensors_[name + "." + key] = tensor;
}

Tensor State::tensor(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw std::runtime_error("the checkpoint has no \"" + name + "\"");
  return found->second;
}

int64_t State::integer(const std::string& name) const { return tensor(name).item<int64_t>(); }

double State::number(const std::string& name) const { return tensor(name).item<double>(); }

State State::part(const std::string& name) const {
  State result;
  const std::string prefix = name + ".";
  for (auto it = tensors_.lower_bound(prefix); it != tensors_.end(); ++it) {
    if (!it->first.starts_with(prefix)) break;
    result.put(it->first.substr(prefix.size()), it->second);
  }
  return result;
}

void save_checkpoint(const std::string& folder, int64_t step, const State& state, int64_t keep) {
  const std::string path = folder_of(folder, step), beside = path + ".part";
  fs::create_directories(folder);
  fs::remove_all(beside);
  fs::create_directories(beside);
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const auto& [name, tensor] : state.tensors())
    tensors.emplace_back(name, tensor.detach().cpu());
  write_safetensors(beside + "/" + kTensors, tensors);
  write_manifest(beside + "/" + kManifest, step, checksum(beside + "/" + kTensors));
  fs::remove_all(path);
  fs::rename(beside, path);
  std::vector<int64_t> steps = steps_in(folder);
  for (size_t i = 0; i + static_cast<size_t>(keep) < steps.size(); ++i) {
    fs::remove_all(folder_of(folder, steps[i]));
  }
}

std::optional<int64_t> latest_checkpoint(const std::string& folder) {
  const std::vector<int64_t> steps = steps_in(folder);
  return steps.empty() ? std::nullopt : std::optional<int64_t>(steps.back());
}

State load_checkpoint(const std::string& folder, int64_t step) {
  const std::string path = folder_of(folder, step);
  std::ifstream file(path + "/" + kManifest);
  const nlohmann::json manifest = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (manifest.is_discarded() || manifest.value("format", 0) != kFormat) {
    throw std::runtime_error(path + ": expected a checkpoint of format " + std::to_string(kFormat) +
                             ", found no readable " + kManifest);
  }
  const std::string tensors = path + "/" + kTensors;
  if (checksum(tensors) != manifest.value("crc32", uint32_t{0})) {
    throw std::runtime_error(tensors + ": damaged, its checksum does not match the manifest");
  }
  const SafetensorsFile container(tensors);
  State state;
  for (const std::string& name : container.names()) state.put(name, container.tensor(name).clone());
  return state;
}

}  // namespace rl
