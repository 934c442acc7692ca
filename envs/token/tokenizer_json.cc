#include "envs/token/tokenizer_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "envs/token/added_tokens.h"
#include "envs/token/bpe.h"
#include "envs/token/normalizer.h"
#include "envs/token/pre_tokenizer.h"
#include "envs/token/token_decoder.h"
#include "envs/token/unigram.h"
#include "envs/token/utf8.h"

namespace envs {
namespace {

using nlohmann::json;

json value_or_null(const json& d, const char* key) { return d.contains(key) ? d.at(key) : json(); }

std::string string_or_empty(const json& d, const char* key) {
  return d.contains(key) && d.at(key).is_string() ? d.at(key).get<std::string>() : std::string();
}

// --- model ----------------------------------------------------------------------------------------

void refuse_unsupported_bpe(const json& model) {
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!string_or_empty(model, key).empty()) {
      throw std::invalid_argument("unsupported option \"" + std::string(key) +
                                  "\" of model \"BPE\"");
    }
  }
  if (const json dropout = value_or_null(model, "dropout"); dropout.is_number() && dropout != 0) {
    throw std::invalid_argument("unsupported option \"dropout\" of model \"BPE\"");
  }
}

std::pair<std::string, std::string> merge_of(const json& merge) {
  if (merge.is_array() && merge.size() == 2) return {merge[0], merge[1]};
  const std::string line = merge.is_string() ? merge.get<std::string>() : std::string();
  const size_t blank = line.find(' ');
  if (blank == std::string::npos || line.find(' ', blank + 1) != std::string::npos) {
    throw std::invalid_argument("a merge should be \"a b\" or [\"a\", \"b\"], found " +
                                merge.dump());
  }
  return {line.substr(0, blank), line.substr(blank + 1)};
}

int64_t checked_id(const json& id, const std::string& token) {
  constexpr int64_t kMostIds = 1 << 24;
  if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= kMostIds) {
    throw std::invalid_argument("the id of token \"" + token + "\" is " + id.dump());
  }
  return id.get<int64_t>();
}

std::unique_ptr<Segmenter> bpe_of(const json& model) {
  refuse_unsupported_bpe(model);
  Vocabulary vocabulary;
  for (const auto& [token, id] : model.at("vocab").items()) {
    vocabulary.emplace(token, checked_id(id, token));
  }
  std::vector<std::pair<std::string, std::string>> merges;
  for (const json& merge : model.at("merges")) merges.push_back(merge_of(merge));
  return std::make_unique<Bpe>(std::move(vocabulary), merges,
                               BpeOptions{.unk_token = string_or_empty(model, "unk_token"),
                                          .fuse_unk = model.value("fuse_unk", false),
                                          .byte_fallback = model.value("byte_fallback", false),
                                          .ignore_merges = model.value("ignore_merges", false)});
}

UnigramPiece unigram_piece_of(const json& entry) {
  const bool valid = entry.is_array() && entry.size() == 2 && entry[0].is_string() &&
                     (entry[1].is_number() || entry[1].is_null());
  if (!valid) {
    throw std::invalid_argument("an entry of the vocabulary should be [\"token\", score], found " +
                                entry.dump());
  }
  UnigramPiece piece{.text = entry[0], .score = std::nullopt};
  if (!entry[1].is_null()) piece.score = entry[1];
  return piece;
}

std::unique_ptr<Segmenter> unigram_of(const json& model) {
  std::vector<UnigramPiece> pieces;
  for (const json& entry : model.at("vocab")) pieces.push_back(unigram_piece_of(entry));
  const json unk_id = value_or_null(model, "unk_id");
  return std::make_unique<Unigram>(
      pieces, UnigramOptions{.unk_id = unk_id.is_null() ? -1 : unk_id.get<int64_t>(),
                             .byte_fallback = model.value("byte_fallback", false),
                             .float_sums = model.value("float_sums", false)});
}

std::unique_ptr<Segmenter> model_of(const json& model) {
  const bool untagged_bpe = !model.contains("type") && model.contains("merges");
  const std::string type = untagged_bpe ? "BPE" : model.at("type").get<std::string>();
  if (type == "BPE") return bpe_of(model);
  if (type == "Unigram") return unigram_of(model);
  throw std::invalid_argument("unsupported model \"" + type + "\"");
}

// --- post-processor -------------------------------------------------------------------------------

// Ids put around a text.
struct Frame {
  std::vector<int64_t> before, after;
};

Frame template_frame(const json& d) {
  Frame frame;
  bool text_seen = false;
  for (const json& part : d.at("single")) {
    if (part.contains("Sequence")) {
      if (text_seen) throw std::invalid_argument("a template that repeats the text");
      text_seen = true;
      continue;
    }
    const std::string name = part.at("SpecialToken").at("id");
    for (const json& id : d.at("special_tokens").at(name).at("ids")) {
      (text_seen ? frame.after : frame.before).push_back(id);
    }
  }
  if (!text_seen) throw std::invalid_argument("a template without the text");
  return frame;
}

Frame frame_of(const json& d) {
  if (d.is_null()) return {};
  const std::string type = d.at("type");
  if (type == "ByteLevel") return {};  // moves offsets, not ids
  if (type == "TemplateProcessing") return template_frame(d);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    return {{d.at("cls").at(1).get<int64_t>()}, {d.at("sep").at(1).get<int64_t>()}};
  }
  if (type != "Sequence") {
    throw std::invalid_argument("unsupported post_processor \"" + type + "\"");
  }
  Frame frame;  // the later ones go around the earlier ones
  for (const json& part : d.at("processors")) {
    const Frame outer = frame_of(part);
    frame.before.insert(frame.before.begin(), outer.before.begin(), outer.before.end());
    frame.after.insert(frame.after.end(), outer.after.begin(), outer.after.end());
  }
  return frame;
}

// --- added tokens ---------------------------------------------------------------------------------

AddedToken added_token_of(const json& d) {
  const std::string content = d.at("content");
  return {.id = checked_id(d.at("id"), content),
          .content = content,
          .single_word = d.value("single_word", false),
          .lstrip = d.value("lstrip", false),
          .rstrip = d.value("rstrip", false),
          .normalized = d.value("normalized", false),
          .special = d.value("special", false)};
}

// --- the whole ------------------------------------------------------------------------------------

class JsonTokenizer : public Tokenizer {
 public:
  explicit JsonTokenizer(const json& d)
      : normalizer_(make_normalizer(value_or_null(d, "normalizer"))),
        pre_tokenizer_(make_pre_tokenizer(value_or_null(d, "pre_tokenizer"))),
        model_(model_of(d.at("model"))),
        frame_(frame_of(value_or_null(d, "post_processor"))),
        decoder_(make_token_decoder(value_or_null(d, "decoder"))) {
    for (const auto& [token, id] : model_->vocabulary()) name(id, token);
    for (const json& token : value_or_null(d, "added_tokens")) add(added_token_of(token));
    for (const json& token : value_or_null(d, "user_defined_symbols")) {
      normalized_.add({.id = model_->vocabulary().at(token), .content = token});
    }
  }

  std::vector<int64_t> encode(std::string_view text, bool add_special) const override {
    expect_utf8(text, "text");
    std::vector<int64_t> ids;
    if (add_special) ids = frame_.before;
    for (const auto& segment : raw_.segments(text)) {
      if (segment.id >= 0) {
        ids.push_back(segment.id);
      } else {
        std::string part(text.substr(segment.start, segment.end - segment.start));
        normalizer_(part);
        encode_normalized(part, segment.start == 0, ids);
      }
    }
    if (add_special) ids.insert(ids.end(), frame_.after.begin(), frame_.after.end());
    return ids;
  }

  std::string decode(std::span<const int64_t> ids, bool skip_special) const override {
    std::vector<std::string> tokens;
    tokens.reserve(ids.size());
    for (const int64_t id : ids) {
      expect_id(id);
      if (!(skip_special && special_[id])) tokens.push_back(names_[id]);
    }
    decoder_(tokens);
    std::string text;
    for (const std::string& token : tokens) text += token;
    return text;
  }

  int64_t size() const override { return static_cast<int64_t>(names_.size()); }

  std::string token(int64_t id) const override {
    expect_id(id);
    return names_[id];
  }

  std::optional<int64_t> id(std::string_view token) const override {
    if (const auto found = added_ids_.find(token); found != added_ids_.end()) return found->second;
    const auto found = model_->vocabulary().find(token);
    if (found == model_->vocabulary().end()) return std::nullopt;
    return found->second;
  }

 private:
  void name(int64_t id, const std::string& token) {
    if (id >= size()) {
      names_.resize(id + 1);
      special_.resize(id + 1);
    }
    names_[id] = token;
  }

  void add(AddedToken token) {
    name(token.id, token.content);
    added_ids_.insert_or_assign(token.content, token.id);
    special_[token.id] = token.special;
    if (token.normalized) normalizer_(token.content);
    (token.normalized ? normalized_ : raw_).add(token);
  }

  void encode_normalized(std::string_view text, bool first, std::vector<int64_t>& ids) const {
    for (const auto& segment : normalized_.segments(text)) {
      if (segment.id >= 0) {
        ids.push_back(segment.id);
        continue;
      }
      Piece piece{std::string(text.substr(segment.start, segment.end - segment.start)),
                  first && segment.start == 0};
      std::vector<Piece> whole;
      whole.push_back(std::move(piece));
      for (const Piece& part : pre_tokenizer_(std::move(whole))) model_->encode(part.text, ids);
    }
  }

  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  std::unique_ptr<const Segmenter> model_;
  Frame frame_;
  TokenDecoder decoder_;
  AddedTokenMatcher raw_, normalized_;  // looked for before and after normalisation
  Vocabulary added_ids_;
  std::vector<std::string> names_;  // token strings by id
  std::vector<bool> special_;
};

json byte_level_json(bool add_prefix_space) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"use_regex", true}};
}

json lines_of_merges(const std::string& text) {
  json merges = json::array();
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty() && !line.starts_with("#version")) merges.push_back(line);
  }
  return merges;
}

json template_json(const std::string& token, const json& id) {
  return {{"type", "TemplateProcessing"},
          {"single", {{{"SpecialToken", {{"id", token}}}}, {{"Sequence", {{"id", "A"}}}}}},
          {"special_tokens", {{token, {{"ids", {id}}}}}}};
}

}  // namespace

std::unique_ptr<Tokenizer> tokenizer_from_json(const json& description) {
  return std::make_unique<JsonTokenizer>(description);
}

json json_of_gpt2_files(const json& vocabulary, const std::string& merges,
                        const std::vector<std::string>& special, const std::string& bos) {
  json added = json::array();
  for (const std::string& token : special) {
    if (!vocabulary.contains(token)) continue;
    added.push_back({{"id", vocabulary.at(token)}, {"content", token}, {"special", true}});
  }
  return {{"added_tokens", added},
          {"pre_tokenizer", byte_level_json(false)},
          {"post_processor", bos.empty() ? json() : template_json(bos, vocabulary.at(bos))},
          {"decoder", byte_level_json(false)},
          {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", lines_of_merges(merges)}}}};
}

}  // namespace envs
