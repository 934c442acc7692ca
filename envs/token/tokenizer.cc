#include "envs/token/tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "envs/token/sentencepiece_model.h"
#include "envs/token/text_file.h"
#include "envs/token/tokenizer_json.h"

namespace envs {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json read_json(const fs::path& path) {
  try {
    return json::parse(read_file(path));
  } catch (const json::exception& error) {
    throw std::invalid_argument(path.string() + ": " + error.what());
  }
}

// The small files beside a tokenizer; an absent file is an empty object.
struct Companions {
  explicit Companions(const fs::path& folder) {
    for (const char* name : {"tokenizer_config.json", "special_tokens_map.json",
                             "generation_config.json", "config.json"}) {
      const fs::path path = folder / name;
      files.push_back(fs::exists(path) ? read_json(path) : json::object());
      if (!files.back().is_object()) {
        throw std::invalid_argument(path.string() + ": expected a JSON object");
      }
    }
  }
  const json& tokenizer_config() const { return files[0]; }

  std::vector<json> files;
};

// "eos_token" is a string or an object with "content"; null where there is none.
std::string token_string(const json& token) {
  if (token.is_object()) return token.value("content", "");
  return token.is_string() ? token.get<std::string>() : std::string();
}

// "eos_token_id" is a number or a list, of which the first counts.
std::optional<int64_t> id_number(const json& id) {
  if (id.is_array() && !id.empty()) return id_number(id[0]);
  return id.is_number_integer() ? std::optional<int64_t>(id) : std::nullopt;
}

std::optional<int64_t> special_id(const Tokenizer& tokenizer, const Companions& companions,
                                  const std::string& role, std::optional<int64_t> otherwise) {
  for (const json& file : companions.files) {
    if (file.contains(role)) return tokenizer.id(token_string(file.at(role)));
    if (file.contains(role + "_id")) return id_number(file.at(role + "_id"));
  }
  return otherwise;
}

void set_special_ids(Tokenizer& tokenizer, const Companions& companions) {
  tokenizer.set_special_ids({special_id(tokenizer, companions, "bos_token", tokenizer.bos_id()),
                             special_id(tokenizer, companions, "eos_token", tokenizer.eos_id()),
                             special_id(tokenizer, companions, "pad_token", tokenizer.pad_id())});
}

// tokenizer_config.json may name added tokens that tokenizer.json does not know.
void add_missing_tokens(json& description, const json& config) {
  if (!config.contains("added_tokens_decoder")) return;
  json& added = description["added_tokens"];
  for (const auto& [id, token] : config.at("added_tokens_decoder").items()) {
    const bool known = std::ranges::any_of(
        added, [&](const json& other) { return other.at("content") == token.at("content"); });
    if (known) continue;
    added.push_back(token);
    added.back()["id"] = std::stoll(id);
  }
}

std::unique_ptr<Tokenizer> from_json_file(const fs::path& file, const Companions& companions) {
  json description = read_json(file);
  add_missing_tokens(description, companions.tokenizer_config());
  return tokenizer_from_json(description);
}

std::unique_ptr<Tokenizer> from_model_file(const fs::path& file, const Companions& companions) {
  const json& config = companions.tokenizer_config();
  const SentencePieceModel model = parse_sentencepiece(read_file(file));
  auto tokenizer = tokenizer_from_json(json_of_sentencepiece(
      model, config.value("add_bos_token", true), config.value("add_eos_token", false)));
  const auto known = [](int64_t id) { return id < 0 ? std::nullopt : std::optional(id); };
  tokenizer->set_special_ids({known(model.bos_id), known(model.eos_id), known(model.pad_id)});
  return tokenizer;
}

std::vector<std::string> special_tokens(const Companions& companions) {
  std::vector<std::string> tokens{"<|endoftext|>"};
  for (const json& file : companions.files) {
    for (const char* role : {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token",
                             "cls_token", "mask_token"}) {
      if (file.contains(role)) tokens.push_back(token_string(file.at(role)));
    }
    for (const json& token : file.value("additional_special_tokens", json::array())) {
      tokens.push_back(token_string(token));
    }
  }
  return tokens;
}

std::unique_ptr<Tokenizer> from_gpt2_files(const fs::path& folder, const Companions& companions) {
  const json& config = companions.tokenizer_config();
  const bool add_bos = config.value("add_bos_token", false);
  auto tokenizer = tokenizer_from_json(json_of_gpt2_files(
      read_json(folder / "vocab.json"), read_file(folder / "merges.txt"),
      special_tokens(companions), add_bos ? token_string(config.at("bos_token")) : ""));
  const auto end = tokenizer->id("<|endoftext|>");
  tokenizer->set_special_ids({.bos = end, .eos = end, .pad = std::nullopt});
  return tokenizer;
}

fs::path tokenizer_file(const fs::path& folder) {
  for (const char* name : {"tokenizer.json", "tokenizer.model", "vocab.json"}) {
    if (fs::exists(folder / name)) return folder / name;
  }
  throw std::invalid_argument(folder.string() +
                              ": expected tokenizer.json, tokenizer.model or vocab.json with "
                              "merges.txt, found none of them");
}

std::unique_ptr<Tokenizer> load_file(const fs::path& file, const Companions& companions) {
  if (file.filename() == "vocab.json") return from_gpt2_files(file.parent_path(), companions);
  if (file.extension() == ".model") return from_model_file(file, companions);
  if (file.extension() == ".json") return from_json_file(file, companions);
  throw std::invalid_argument("expected a file that ends in .json or .model");
}

std::string quoted(const Tokenizer& tokenizer, int64_t id) {
  return id < tokenizer.size() ? json(tokenizer.token(id)).dump() : "nothing";
}

}  // namespace

void Tokenizer::expect_id(int64_t id) const {
  if (id >= 0 && id < size()) return;
  throw std::invalid_argument("id " + std::to_string(id) + " is outside the vocabulary of " +
                              std::to_string(size()) + " tokens");
}

std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& folder_or_file) {
  fs::path path(folder_or_file);
  if (!fs::exists(path)) throw std::invalid_argument(folder_or_file + ": no such file or folder");
  const fs::path file = fs::is_directory(path) ? tokenizer_file(path) : path;
  const Companions companions(file.parent_path());
  try {
    std::shared_ptr<Tokenizer> tokenizer = load_file(file, companions);
    set_special_ids(*tokenizer, companions);
    return tokenizer;
  } catch (const std::exception& error) {
    const std::string message = error.what();
    const bool named = message.starts_with(file.parent_path().string());
    throw std::invalid_argument(named ? message : file.string() + ": " + message);
  }
}

std::optional<std::string> vocabulary_difference(const Tokenizer& a, const Tokenizer& b) {
  constexpr int64_t kMostShown = 3;
  std::string shown;
  int64_t count = 0;
  for (int64_t id = 0; id < std::max(a.size(), b.size()); ++id) {
    if (id < a.size() && id < b.size() && a.token(id) == b.token(id)) continue;
    if (++count > kMostShown) continue;
    shown += "; id " + std::to_string(id) + " is " + quoted(a, id) + " against " + quoted(b, id);
  }
  if (count == 0) return std::nullopt;
  return std::to_string(count) + " tokens differ (" + std::to_string(a.size()) + " against " +
         std::to_string(b.size()) + ")" + shown + (count > kMostShown ? "; ..." : "");
}

}  // namespace envs
