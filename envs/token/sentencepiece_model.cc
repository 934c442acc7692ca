#include "envs/token/sentencepiece_model.h"

#include <bit>
#include <cstring>
#include <stdexcept>

namespace envs {
namespace {

// --- protobuf's wire format -----------------------------------------------------------------------

enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

[[noreturn]] void refuse() { throw std::invalid_argument("not a SentencePiece model"); }

// One field after the other.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}

  bool next() {
    if (bytes_.empty()) return false;
    const uint64_t tag = varint();
    field = tag >> 3;
    switch (tag & 7) {
      case kVarint:
        number = varint();
        return true;
      case kFixed64:
        take(8);
        return true;
      case kBytes:
        text = take(varint());
        return true;
      case kFixed32:
        std::memcpy(&fixed, take(4).data(), 4);
        return true;
      default:
        refuse();
    }
  }

  uint64_t field = 0;
  uint64_t number = 0;    // of a varint
  uint32_t fixed = 0;     // of a fixed32
  std::string_view text;  // of bytes

 private:
  std::string_view take(uint64_t count) {
    if (count > bytes_.size()) refuse();
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    refuse();
  }

  std::string_view bytes_;
};

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_number(std::string& out, uint64_t field, int64_t value) {
  put_varint(out, field << 3 | kVarint);
  put_varint(out, static_cast<uint64_t>(value));
}

void put_bytes(std::string& out, uint64_t field, std::string_view bytes) {
  put_varint(out, field << 3 | kBytes);
  put_varint(out, bytes.size());
  out += bytes;
}

void put_float(std::string& out, uint64_t field, float value) {
  put_varint(out, field << 3 | kFixed32);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(bits >> shift);
}

// --- the messages ---------------------------------------------------------------------------------

SentencePieceModel::Piece parse_piece(std::string_view bytes) {
  SentencePieceModel::Piece piece;
  for (WireReader in(bytes); in.next();) {
    if (in.field == 1) piece.text = in.text;
    if (in.field == 2) piece.score = std::bit_cast<float>(in.fixed);
    if (in.field == 3) piece.type = static_cast<SentencePieceModel::Type>(in.number);
  }
  return piece;
}

void parse_trainer(std::string_view bytes, SentencePieceModel& model) {
  for (WireReader in(bytes); in.next();) {
    const auto number = static_cast<int32_t>(in.number);
    if (in.field == 3) model.kind = number;
    if (in.field == 24) model.whitespace_is_suffix = number != 0;
    if (in.field == 35) model.byte_fallback = number != 0;
    if (in.field == 40) model.unk_id = number;
    if (in.field == 41) model.bos_id = number;
    if (in.field == 42) model.eos_id = number;
    if (in.field == 43) model.pad_id = number;
  }
}

void parse_normalizer(std::string_view bytes, SentencePieceModel& model) {
  for (WireReader in(bytes); in.next();) {
    if (in.field == 2) model.precompiled_charsmap = in.text;
    if (in.field == 3) model.add_dummy_prefix = in.number != 0;
    if (in.field == 4) model.remove_extra_whitespaces = in.number != 0;
    if (in.field == 5) model.escape_whitespaces = in.number != 0;
  }
}

std::string serialized_piece(const SentencePieceModel::Piece& piece) {
  std::string out;
  put_bytes(out, 1, piece.text);
  put_float(out, 2, piece.score);
  put_number(out, 3, piece.type);
  return out;
}

std::string serialized_trainer(const SentencePieceModel& model) {
  std::string out;
  put_number(out, 3, model.kind);
  put_number(out, 4, static_cast<int64_t>(model.pieces.size()));
  put_number(out, 24, model.whitespace_is_suffix);
  put_number(out, 35, model.byte_fallback);
  put_number(out, 40, model.unk_id);
  put_number(out, 41, model.bos_id);
  put_number(out, 42, model.eos_id);
  put_number(out, 43, model.pad_id);
  return out;
}

std::string serialized_normalizer(const SentencePieceModel& model) {
  std::string out;
  put_bytes(out, 1, model.precompiled_charsmap.empty() ? "identity" : "user_defined");
  put_bytes(out, 2, model.precompiled_charsmap);
  put_number(out, 3, model.add_dummy_prefix);
  put_number(out, 4, model.remove_extra_whitespaces);
  put_number(out, 5, model.escape_whitespaces);
  return out;
}

}  // namespace

SentencePieceModel parse_sentencepiece(std::string_view bytes) {
  SentencePieceModel model;
  for (WireReader in(bytes); in.next();) {
    if (in.field == 1) model.pieces.push_back(parse_piece(in.text));
    if (in.field == 2) parse_trainer(in.text, model);
    if (in.field == 3) parse_normalizer(in.text, model);
  }
  if (model.pieces.empty()) refuse();
  return model;
}

std::string serialize(const SentencePieceModel& model) {
  std::string out;
  for (const auto& piece : model.pieces) put_bytes(out, 1, serialized_piece(piece));
  put_bytes(out, 2, serialized_trainer(model));
  put_bytes(out, 3, serialized_normalizer(model));
  return out;
}

}  // namespace envs
