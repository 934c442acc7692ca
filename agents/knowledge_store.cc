#include "agents/knowledge_store.h"

#include <faiss/IndexFlat.h>
#include <faiss/index_io.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>

#include "envs/token/text_file.h"
#include "rl/check.h"
#include "rl/checkpoint.h"
#include "rl/safetensors.h"
#include "rl/torch.h"

namespace agents {
namespace fs = std::filesystem;

using rl::Tensor;
using Json = nlohmann::ordered_json;

namespace {

constexpr int kFormat = 1;
constexpr const char* kManifest = "manifest.json";
constexpr const char* kExamples = "examples.jsonl";
constexpr const char* kEmbeddings = "embeddings.safetensors";
constexpr const char* kIndex = "index.faiss";

// Words that make one sequence.
constexpr size_t kWords = 3;

[[noreturn]] void fail(const std::string& place, const std::string& what) {
  throw std::runtime_error(place + ": " + what);
}

Tensor directions(const Tensor& x) {
  const Tensor dense = x.detach().to(torch::kCPU, torch::kFloat32);
  return (dense / dense.norm(2, -1, /*keepdim=*/true).clamp_min(1e-12)).contiguous();
}

Json line_of(const StoredText& text, const std::vector<std::string>& labels, const Tensor& probs) {
  Json said;
  for (size_t c = 0; c < labels.size(); ++c) {
    said[labels[c]] = probs[static_cast<int64_t>(c)].item<float>();
  }
  return {{"text", text.text},
          {"label", labels.at(static_cast<size_t>(text.label))},
          {"source", text.source},
          {"soft_labels", said}};
}

StoredText text_of(const std::string& line, const std::vector<std::string>& labels) {
  const Json json = Json::parse(line);
  const auto label = json.at("label").get<std::string>();
  const auto place = std::find(labels.begin(), labels.end(), label);
  if (place == labels.end()) throw std::runtime_error("unknown label \"" + label + "\"");
  return {json.at("text").get<std::string>(), place - labels.begin(),
          json.at("source").get<std::string>()};
}

Json manifest_of(const KnowledgeStore& store, const std::string& folder) {
  Json sources = Json::object(), labels = Json::object(), checksums = Json::object();
  for (const StoredText& text : store.texts) {
    sources[text.source] = sources.value(text.source, 0) + 1;
    const std::string& label = store.labels.at(static_cast<size_t>(text.label));
    labels[label] = labels.value(label, 0) + 1;
  }
  for (const char* name : {kExamples, kEmbeddings, kIndex}) {
    checksums[name] = rl::checksum(folder + "/" + name);
  }
  return {{"format", kFormat},      {"texts", store.size()},
          {"labels", store.labels}, {"dimensions", store.embeddings.size(1)},
          {"by_source", sources},   {"by_label", labels},
          {"crc32", checksums}};
}

Json read_manifest(const std::string& folder) {
  const std::string path = folder + "/" + kManifest;
  Json json = Json::parse(envs::read_file(path), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_object()) fail(path, "damaged, it is no JSON object");
  for (const char* key : {"format", "texts", "labels", "dimensions", "crc32"}) {
    if (!json.contains(key)) fail(path, std::string("damaged, it has no \"") + key + "\"");
  }
  if (json["format"] != kFormat) {
    fail(path, "expected format " + std::to_string(kFormat) + ", found " + json["format"].dump());
  }
  for (const char* name : {kExamples, kEmbeddings, kIndex}) {
    const std::string file = folder + "/" + name;
    if (!fs::exists(file)) fail(file, "is missing");
    if (json["crc32"].value(name, Json()) != rl::checksum(file)) {
      fail(file, "damaged, its checksum does not match the manifest");
    }
  }
  return json;
}

// The sequences of a text, as numbers; a short text is one sequence.
std::vector<size_t> sequences_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  std::set<size_t> found;
  const size_t width = std::min(kWords, words.size());
  for (size_t i = 0; i + width <= words.size() && width > 0; ++i) {
    std::string joined;
    for (size_t k = i; k < i + width; ++k) joined += words[k] + ' ';
    found.insert(std::hash<std::string>()(joined));
  }
  return {found.begin(), found.end()};
}

// The sequences of what was kept, and where each occurs.
class Kept {
 public:
  // The largest share that a kept text has of all the sequences that it and the given one have.
  double nearest(const std::vector<size_t>& sequences) const {
    std::unordered_map<size_t, size_t> shared;
    for (const size_t sequence : sequences) {
      const auto found = places_.find(sequence);
      if (found == places_.end()) continue;
      for (const size_t text : found->second) ++shared[text];
    }
    double largest = 0;
    for (const auto& [text, count] : shared) {
      const double all = static_cast<double>(sequences.size() + sizes_[text] - count);
      largest = std::max(largest, static_cast<double>(count) / all);
    }
    return largest;
  }
  void add(const std::vector<size_t>& sequences) {
    for (const size_t sequence : sequences) places_[sequence].push_back(sizes_.size());
    sizes_.push_back(sequences.size());
  }

 private:
  std::unordered_map<size_t, std::vector<size_t>> places_;
  std::vector<size_t> sizes_;
};

}  // namespace

void KnowledgeStore::save(const std::string& folder) const {
  rl::require(size() >= 1, "a store holds a text at least");
  rl::expect_shape(probs, {size(), static_cast<int64_t>(labels.size())}, "soft labels");
  rl::expect_shape(embeddings, {size(), rl::kAny}, "embeddings");
  fs::create_directories(folder);
  fs::remove(folder + "/" + kManifest);
  const Tensor said = probs.detach().to(torch::kCPU, torch::kFloat32).contiguous();
  std::string lines;
  for (int64_t i = 0; i < size(); ++i) {
    lines += line_of(texts[static_cast<size_t>(i)], labels, said[i]).dump() + "\n";
  }
  envs::write_file(folder + "/" + kExamples, lines);
  rl::write_safetensors(folder + "/" + kEmbeddings,
                        {{"embeddings", embeddings.detach()}, {"soft_labels", said}});
  NearestItems(embeddings).save(folder + "/" + kIndex);
  envs::write_file(folder + "/" + kManifest, manifest_of(*this, folder).dump(2) + "\n");
}

KnowledgeStore KnowledgeStore::load(const std::string& folder) {
  const Json manifest = read_manifest(folder);
  KnowledgeStore store;
  store.labels = manifest["labels"].get<std::vector<std::string>>();
  const std::string path = folder + "/" + kExamples;
  std::istringstream lines(envs::read_file(path));
  for (std::string line; std::getline(lines, line);) {
    try {
      store.texts.push_back(text_of(line, store.labels));
    } catch (const std::exception& error) {
      fail(path + ":" + std::to_string(store.size() + 1), error.what());
    }
  }
  if (manifest["texts"] != store.size()) {
    fail(folder + "/" + kManifest,
         "expected " + manifest["texts"].dump() + " texts, found " + std::to_string(store.size()));
  }
  const rl::SafetensorsFile tensors(folder + "/" + kEmbeddings);
  store.embeddings = tensors.tensor("embeddings").clone();
  store.probs = tensors.tensor("soft_labels").clone();
  rl::expect_shape(store.embeddings, {store.size(), manifest["dimensions"].get<int64_t>()},
                   tensors.path() + ": embeddings");
  rl::expect_shape(store.probs, {store.size(), static_cast<int64_t>(store.labels.size())},
                   tensors.path() + ": soft_labels");
  return store;
}

KnowledgeStore KnowledgeStore::select(const std::vector<int64_t>& rows) const {
  KnowledgeStore result;
  result.labels = labels;
  for (const int64_t row : rows) result.texts.push_back(texts.at(static_cast<size_t>(row)));
  const Tensor index = torch::tensor(rows, torch::kInt64);
  result.probs = probs.index_select(0, index.to(probs.device()));
  result.embeddings = embeddings.index_select(0, index.to(embeddings.device()));
  return result;
}

std::vector<int64_t> distinct_texts(const std::vector<std::string>& texts, double near) {
  rl::require(near > 0 && near <= 1, "near must be in (0, 1], found " + std::to_string(near));
  std::unordered_set<std::string> seen;
  Kept kept;
  std::vector<int64_t> result;
  for (size_t i = 0; i < texts.size(); ++i) {
    if (!seen.insert(texts[i]).second) continue;
    const std::vector<size_t> sequences = sequences_of(texts[i]);
    if (sequences.empty() || kept.nearest(sequences) >= near) continue;
    kept.add(sequences);
    result.push_back(static_cast<int64_t>(i));
  }
  return result;
}

struct NearestItems::Index {
  faiss::IndexFlatIP flat;
};

NearestItems::NearestItems(const Tensor& embeddings)
    : index_(new Index{faiss::IndexFlatIP(embeddings.size(1))}) {
  rl::expect_shape(embeddings, {rl::kAny, rl::kAny}, "embeddings");
  rl::require(embeddings.size(0) >= 1, "nothing to search in");
  const Tensor x = directions(embeddings);
  index_->flat.add(x.size(0), x.data_ptr<float>());
}

NearestItems::~NearestItems() = default;
NearestItems::NearestItems(NearestItems&&) noexcept = default;

int64_t NearestItems::size() const { return index_->flat.ntotal; }

NearestItems::Found NearestItems::search(const Tensor& queries, int64_t k) const {
  rl::expect_shape(queries, {rl::kAny, static_cast<int64_t>(index_->flat.d)}, "queries");
  rl::require(k >= 1, "neighbours must be at least 1, found " + std::to_string(k));
  const int64_t count = std::min(k, size());
  const Tensor x = directions(queries);
  Found found{torch::empty({x.size(0), count}), torch::empty({x.size(0), count}, torch::kInt64)};
  static_assert(sizeof(faiss::Index::idx_t) == sizeof(int64_t));
  index_->flat.search(x.size(0), x.data_ptr<float>(), count, found.similarity.data_ptr<float>(),
                      reinterpret_cast<faiss::Index::idx_t*>(found.item.data_ptr<int64_t>()));
  return found;
}

void NearestItems::save(const std::string& path) const {
  const std::string beside = path + ".part";
  faiss::write_index(&index_->flat, beside.c_str());
  fs::rename(beside, path);
}

}  // namespace agents
