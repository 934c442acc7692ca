#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <unordered_map>

#include "envs/token/sentencepiece_model.h"
#include "envs/token/utf8.h"

namespace envs {
namespace {

using nlohmann::json;
using Model = SentencePieceModel;

constexpr const char* kMark = "\u2581";

void refuse_unsupported(const Model& model) {
  if (model.kind != Model::kUnigram && model.kind != Model::kBpe) {
    throw std::invalid_argument("unsupported SentencePiece model type " +
                                std::to_string(model.kind) + " (neither unigram nor BPE)");
  }
  if (model.whitespace_is_suffix) {
    throw std::invalid_argument("unsupported SentencePiece option treat_whitespace_as_suffix");
  }
  for (const auto& piece : model.pieces) {
    expect_utf8(piece.text, "piece");
    if (piece.type == Model::kUnused && model.kind == Model::kBpe) {
      throw std::invalid_argument("unsupported SentencePiece option: unused pieces of a BPE model");
    }
  }
}

// Every way to make a piece of two others: SentencePiece merges any pair whose union is a piece, the
// highest score first.
json merges_of(const Model& model) {
  std::unordered_map<std::string, size_t> ids;
  std::vector<size_t> order;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    if (model.pieces[id].type != Model::kNormal) continue;
    ids.emplace(model.pieces[id].text, id);
    order.push_back(id);
  }
  std::ranges::stable_sort(order, std::greater<>(),
                           [&](size_t id) { return model.pieces[id].score; });
  json merges = json::array();
  for (const size_t id : order) {
    const std::string& text = model.pieces[id].text;
    for (size_t cut = 0; next_code_point(text, cut), cut < text.size();) {
      const std::string left = text.substr(0, cut);
      const std::string right = text.substr(cut);
      if (ids.contains(left) && ids.contains(right)) merges.push_back({left, right});
    }
  }
  return merges;
}

json bpe_json(const Model& model) {
  json vocabulary = json::object();
  for (size_t id = 0; id < model.pieces.size(); ++id) vocabulary[model.pieces[id].text] = id;
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", model.pieces.at(static_cast<size_t>(model.unk_id)).text},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", true},
          {"byte_fallback", model.byte_fallback},
          {"ignore_merges", false},
          {"vocab", vocabulary},
          {"merges", merges_of(model)}};
}

float highest_score(const Model& model) {
  float highest = std::numeric_limits<float>::min();
  for (const auto& piece : model.pieces) {
    if (piece.type == Model::kNormal) highest = std::max(highest, piece.score);
  }
  return highest;
}

json unigram_json(const Model& model) {
  const float highest = highest_score(model);
  json vocabulary = json::array();
  for (const auto& piece : model.pieces) {
    json score = nullptr;
    if (piece.type == Model::kNormal) score = piece.score;
    if (piece.type == Model::kUserDefined) {  // SentencePiece's way to let it win nearly always
      score = static_cast<float>(piece.text.size()) * highest - 0.1;
    }
    vocabulary.push_back({piece.text, score});
  }
  return {{"type", "Unigram"},
          {"unk_id", model.unk_id},
          {"vocab", vocabulary},
          {"byte_fallback", model.byte_fallback},
          {"float_sums", true}};
}

json user_defined_json(const Model& model) {
  json symbols = json::array();
  for (const auto& piece : model.pieces) {
    if (piece.type == Model::kUserDefined) symbols.push_back(piece.text);
  }
  return symbols;
}

json replace_json(const std::string& from, const std::string& to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

json own_normalizer_json(const Model& model) {
  json charsmap = nullptr;
  if (const std::string& bytes = model.precompiled_charsmap; !bytes.empty()) {
    charsmap = json::binary({bytes.begin(), bytes.end()});
  }
  return {{"type", "SentencePiece"},
          {"precompiled_charsmap", charsmap},
          {"add_dummy_prefix", model.add_dummy_prefix},
          {"remove_extra_whitespaces", model.remove_extra_whitespaces},
          {"escape_whitespaces", model.escape_whitespaces},
          {"user_defined_symbols", user_defined_json(model)}};
}

json normalizer_json(const Model& model) {
  if (!model.precompiled_charsmap.empty() || model.remove_extra_whitespaces ||
      !user_defined_json(model).empty()) {
    return own_normalizer_json(model);
  }
  const std::string blank = model.escape_whitespaces ? kMark : " ";
  json steps = json::array();
  if (model.add_dummy_prefix) steps.push_back({{"type", "Prepend"}, {"prepend", blank}});
  if (model.escape_whitespaces) steps.push_back(replace_json(" ", kMark));
  if (steps.empty()) return nullptr;
  return {{"type", "Sequence"}, {"normalizers", steps}};
}

json decoder_json(const Model& model) {
  json steps = json::array();
  if (model.remove_extra_whitespaces) steps.push_back({{"type", "SentencePiece"}});
  steps.push_back(replace_json(kMark, " "));
  steps.push_back({{"type", "ByteFallback"}});
  steps.push_back({{"type", "Fuse"}});
  if (model.add_dummy_prefix && model.escape_whitespaces && !model.remove_extra_whitespaces) {
    steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  return {{"type", "Sequence"}, {"decoders", steps}};
}

json added_tokens_json(const Model& model) {
  json added = json::array();
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const auto& piece = model.pieces[id];
    const bool special = piece.type == Model::kControl || piece.type == Model::kUnknown;
    if (!special) continue;
    added.push_back({{"id", id},
                     {"content", piece.text},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  return added;
}

json template_json(const Model& model, bool add_bos, bool add_eos) {
  json single = json::array();
  json tokens = json::object();
  const auto add = [&](int64_t id) {
    const std::string& text = model.pieces.at(static_cast<size_t>(id)).text;
    single.push_back({{"SpecialToken", {{"id", text}, {"type_id", 0}}}});
    tokens[text] = {{"id", text}, {"ids", {id}}, {"tokens", {text}}};
  };
  if (add_bos && model.bos_id >= 0) add(model.bos_id);
  single.push_back({{"Sequence", {{"id", "A"}, {"type_id", 0}}}});
  if (add_eos && model.eos_id >= 0) add(model.eos_id);
  json pair = single;
  pair.push_back({{"Sequence", {{"id", "B"}, {"type_id", 1}}}});
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", tokens}};
}

}  // namespace

json json_of_sentencepiece(const Model& model, bool add_bos, bool add_eos) {
  refuse_unsupported(model);
  const bool is_bpe = model.kind == Model::kBpe;
  json description = {{"version", "1.0"},
                      {"truncation", nullptr},
                      {"padding", nullptr},
                      {"added_tokens", added_tokens_json(model)},
                      {"normalizer", normalizer_json(model)},
                      {"pre_tokenizer", nullptr},
                      {"post_processor", template_json(model, add_bos, add_eos)},
                      {"decoder", decoder_json(model)},
                      {"model", is_bpe ? bpe_json(model) : unigram_json(model)}};
  // Among the pieces of a unigram model they have a score.
  const json symbols = user_defined_json(model);
  if (is_bpe && !symbols.empty()) description["user_defined_symbols"] = symbols;
  return description;
}

}  // namespace envs
