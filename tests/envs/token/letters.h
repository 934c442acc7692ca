#pragma once

#include <stdexcept>

#include "envs/token/tokenizer.h"
#include "envs/token/utf8.h"

namespace envs {

/// One id per byte, 0 for BOS and 1 for EOS: so small that tests can be read.
class Letters : public Tokenizer {
 public:
  explicit Letters(bool with_bos = false) : with_bos_(with_bos) {
    set_special_ids({.bos = 0, .eos = 1, .pad = std::nullopt});
  }
  std::vector<int64_t> encode(std::string_view text, bool add_special) const override {
    expect_utf8(text, "text");
    if (text.find('!') != text.npos) throw std::runtime_error("letters does not like \"!\"");
    std::vector<int64_t> ids;
    if (add_special && with_bos_) ids.push_back(0);
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string decode(std::span<const int64_t> ids, bool) const override {
    std::string text;
    for (const int64_t id : ids) text += id == 1 ? std::string("$") : token(id);
    return text;
  }
  int64_t size() const override { return 256; }
  std::string token(int64_t id) const override {
    expect_id(id);
    return std::string(1, static_cast<char>(id));
  }
  std::optional<int64_t> id(std::string_view token) const override {
    return static_cast<unsigned char>(token.at(0));
  }

 private:
  bool with_bos_;
};

}  // namespace envs
