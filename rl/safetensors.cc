#include "rl/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <stdexcept>

#include "rl/torch.h"

namespace rl {
namespace {

using Json = nlohmann::ordered_json;

static_assert(std::endian::native == std::endian::little, "the format is little endian");

constexpr uint64_t kLengthBytes = 8;
// The reference implementation refuses longer headers.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr const char* kMetadataKey = "__metadata__";

struct DtypeName {
  const char* name;
  c10::ScalarType dtype;
};

constexpr std::array kDtypes = {
    DtypeName{"F64", torch::kFloat64}, DtypeName{"F32", torch::kFloat32},
    DtypeName{"F16", torch::kFloat16}, DtypeName{"BF16", torch::kBFloat16},
    DtypeName{"I64", torch::kInt64},   DtypeName{"I32", torch::kInt32},
    DtypeName{"I16", torch::kInt16},   DtypeName{"I8", torch::kInt8},
    DtypeName{"U8", torch::kUInt8},    DtypeName{"BOOL", torch::kBool},
};

std::optional<c10::ScalarType> dtype_of(const std::string& name) {
  for (const DtypeName& entry : kDtypes) {
    if (name == entry.name) return entry.dtype;
  }
  return std::nullopt;
}

const char* name_of(c10::ScalarType dtype) {
  for (const DtypeName& entry : kDtypes) {
    if (dtype == entry.dtype) return entry.name;
  }
  return nullptr;
}

// In quotes and with control characters escaped, so that any name stays on one line.
std::string quoted(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string shortened(const Json& json) {
  constexpr size_t kMaxShown = 80;
  const std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() <= kMaxShown ? text : text.substr(0, kMaxShown) + "...";
}

[[noreturn]] void fail(const std::string& path, const std::string& message) {
  throw std::runtime_error(path + ": " + message);
}

[[noreturn]] void fail(const std::string& path, const std::string& tensor,
                       const std::string& message) {
  fail(path, "tensor " + quoted(tensor) + ": " + message);
}

// Closes at the end of the scope.
struct Descriptor {
  int number;
  explicit Descriptor(int opened) : number(opened) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

Json parse_json(const std::string& path, const char* begin, const char* end) {
  std::set<std::string> seen;
  const auto refuse_duplicates = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1) {
      const auto name = parsed.get<std::string>();
      if (!seen.insert(name).second) fail(path, name, "expected once, found twice in the header");
    }
    return true;
  };
  Json header;
  try {
    header = Json::parse(begin, end, refuse_duplicates);
  } catch (const Json::exception& error) {
    fail(path, std::string("expected a JSON header, found ") + error.what());
  }
  if (!header.is_object()) {
    fail(path, "expected a JSON object as header, found " + shortened(header));
  }
  return header;
}

const Json& member(const std::string& path, const std::string& tensor, const Json& entry,
                   const char* key) {
  const auto found = entry.is_object() ? entry.find(key) : entry.end();
  if (!entry.is_object() || found == entry.end()) {
    fail(path, tensor, std::string("expected a key \"") + key + "\", found " + shortened(entry));
  }
  return *found;
}

// The bytes of a tensor, or nothing where they do not fit 63 bits.
std::optional<uint64_t> byte_count(const std::vector<int64_t>& shape, uint64_t element_size) {
  // A size of 0 makes an empty tensor whatever the others are.
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  uint64_t bytes = element_size;
  for (const int64_t size : shape) {
    const auto factor = static_cast<uint64_t>(size);
    if (bytes > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / factor) {
      return std::nullopt;
    }
    bytes *= factor;
  }
  return bytes;
}

void write_all(int descriptor, const std::string& path, const void* data, size_t bytes) {
  // Linux writes at most 2 GiB in one call.
  constexpr size_t kMaxBytes = size_t{1} << 30;
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor, next, std::min(bytes, kMaxBytes));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail(path, std::string("cannot write: ") + std::strerror(errno));
    next += written;
    bytes -= static_cast<size_t>(written);
  }
}

// Makes a rename in this folder survive a power cut. Some file systems cannot; that is no error.
void sync_folder(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const Descriptor descriptor(
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.number >= 0) ::fsync(descriptor.number);
}

}  // namespace

struct SafetensorsFile::Mapping {
  char* data = nullptr;
  uint64_t size = 0;

  explicit Mapping(const std::string& path) {
    const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (descriptor.number < 0) fail(path, std::string("cannot open: ") + std::strerror(errno));
    struct stat status {};
    if (::fstat(descriptor.number, &status) != 0) {
      fail(path, std::string("cannot read: ") + std::strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) fail(path, "expected a file, found something else");
    size = static_cast<uint64_t>(status.st_size);
    if (size < kLengthBytes) {
      fail(path, "truncated: expected at least 8 bytes, found " + std::to_string(size));
    }
    // Private and writable: a tensor may be written to in place without touching the file.
    void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, descriptor.number, 0);
    if (mapped == MAP_FAILED) fail(path, std::string("cannot map: ") + std::strerror(errno));
    data = static_cast<char*>(mapped);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { ::munmap(data, size); }
};

SafetensorsFile::SafetensorsFile(const std::string& path)
    : path_(path), mapping_(std::make_shared<Mapping>(path)) {
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, mapping_->data, kLengthBytes);
  if (header_bytes > kMaxHeaderBytes) {
    fail(path_, "expected a header of at most " + std::to_string(kMaxHeaderBytes) +
                    " bytes, found a length of " + std::to_string(header_bytes));
  }
  if (header_bytes > mapping_->size - kLengthBytes) {
    fail(path_, "truncated: expected a header of " + std::to_string(header_bytes) +
                    " bytes, found " + std::to_string(mapping_->size - kLengthBytes));
  }
  data_start_ = kLengthBytes + header_bytes;
  parse_header();
  check_layout(mapping_->size - data_start_);
}

void SafetensorsFile::parse_header() {
  const Json header =
      parse_json(path_, mapping_->data + kLengthBytes, mapping_->data + data_start_);
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadataKey) {
      for (const auto& [key, value] : entry.items()) {
        if (!entry.is_object() || !value.is_string()) {
          fail(path_, "expected strings in __metadata__, found " + shortened(entry));
        }
        metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    Entry parsed{};
    const Json& dtype = member(path_, name, entry, "dtype");
    const auto known = dtype.is_string() ? dtype_of(dtype.get<std::string>()) : std::nullopt;
    if (!known) {
      fail(path_, name,
           "expected dtype F64, F32, F16, BF16, I64, I32, I16, I8, U8 or BOOL, found " +
               shortened(dtype));
    }
    parsed.dtype = *known;

    const Json& shape = member(path_, name, entry, "shape");
    bool sizes = shape.is_array();
    for (size_t i = 0; sizes && i < shape.size(); ++i) {
      sizes = shape[i].is_number_unsigned() &&
              shape[i].get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()};
      if (sizes) parsed.shape.push_back(shape[i].get<int64_t>());
    }
    if (!sizes) {
      fail(path_, name, "expected a shape of sizes of at least 0, found " + shortened(shape));
    }

    const Json& offsets = member(path_, name, entry, "data_offsets");
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned()) {
      fail(path_, name, "expected data_offsets [begin, end], found " + shortened(offsets));
    }
    parsed.begin = offsets[0].get<uint64_t>();
    parsed.end = offsets[1].get<uint64_t>();
    const auto bytes = byte_count(parsed.shape, c10::elementSize(parsed.dtype));
    if (parsed.end < parsed.begin || !bytes || parsed.end - parsed.begin != *bytes) {
      fail(path_, name,
           "expected " + (bytes ? std::to_string(*bytes) : std::string("too many")) +
               " bytes for shape " + shortened(shape) + " of " + dtype.get<std::string>() +
               ", found data_offsets " + shortened(offsets));
    }
    names_.push_back(name);
    entries_.emplace(name, std::move(parsed));
  }
}

void SafetensorsFile::check_layout(uint64_t data_bytes) const {
  std::vector<std::string> by_offset = names_;
  std::stable_sort(by_offset.begin(), by_offset.end(), [&](const auto& a, const auto& b) {
    const Entry& left = entries_.at(a);
    const Entry& right = entries_.at(b);
    return std::pair(left.begin, left.end) < std::pair(right.begin, right.end);
  });
  uint64_t covered = 0;
  for (const std::string& name : by_offset) {
    const Entry& entry = entries_.at(name);
    if (entry.begin != covered) {
      fail(path_, name,
           "expected its bytes to begin at " + std::to_string(covered) + ", found " +
               std::to_string(entry.begin) +
               (entry.begin < covered ? ": it overlaps another tensor" : ": a hole"));
    }
    covered = entry.end;
    if (covered > data_bytes) {
      fail(path_, name,
           "expected its bytes to end within the " + std::to_string(data_bytes) +
               " bytes of data, found an end at " + std::to_string(covered) +
               ": the file is truncated or its offsets are wrong");
    }
  }
  if (covered != data_bytes) {
    fail(path_, "expected " + std::to_string(covered) + " bytes of data, found " +
                    std::to_string(data_bytes) + ": the last ones belong to no tensor");
  }
}

Tensor SafetensorsFile::tensor(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    fail(path_, name,
         "expected in the file, not found among its " + std::to_string(names_.size()) + " tensors");
  }
  const Entry& entry = found->second;
  const auto options = torch::TensorOptions().dtype(entry.dtype);
  if (entry.begin == entry.end) return torch::empty(entry.shape, options);
  char* data = mapping_->data + data_start_ + entry.begin;
  if (reinterpret_cast<uintptr_t>(data) % c10::elementSize(entry.dtype) != 0) {
    Tensor copy = torch::empty(entry.shape, options);
    std::memcpy(copy.data_ptr(), data, entry.end - entry.begin);
    return copy;
  }
  return torch::from_blob(
      data, entry.shape, [keep = mapping_](void*) {}, options);
}

void write_safetensors(const std::string& path,
                       const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<size_t> layout(tensors.size());
  std::iota(layout.begin(), layout.end(), size_t{0});
  std::stable_sort(layout.begin(), layout.end(), [&](size_t a, size_t b) {
    return tensors[a].second.element_size() > tensors[b].second.element_size();
  });
  std::vector<std::pair<uint64_t, uint64_t>> offsets(tensors.size());
  uint64_t end = 0;
  for (const size_t i : layout) {
    const uint64_t begin = end;
    end += tensors[i].second.nbytes();
    offsets[i] = {begin, end};
  }

  Json header = Json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    const char* dtype = name_of(tensor.scalar_type());
    if (dtype == nullptr) {
      throw std::invalid_argument("write_safetensors: tensor " + quoted(name) +
                                  ": the format has no name for its type " +
                                  c10::toString(tensor.scalar_type()));
    }
    if (header.contains(name) || name == kMetadataKey) {
      throw std::invalid_argument("write_safetensors: the name " + quoted(name) + " occurs twice");
    }
    header[name] = {{"dtype", dtype},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {offsets[i].first, offsets[i].second}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');

  const std::string partial = path + ".partial";
  const Descriptor descriptor(
      ::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (descriptor.number < 0) fail(path, std::string("cannot write: ") + std::strerror(errno));
  try {
    const uint64_t length = text.size();
    write_all(descriptor.number, path, &length, kLengthBytes);
    write_all(descriptor.number, path, text.data(), text.size());
    for (const size_t i : layout) {
      const Tensor plain = tensors[i].second.detach().to(torch::kCPU).contiguous();
      write_all(descriptor.number, path, plain.data_ptr(), plain.nbytes());
    }
    if (::fsync(descriptor.number) != 0 || ::rename(partial.c_str(), path.c_str()) != 0) {
      fail(path, std::string("cannot write: ") + std::strerror(errno));
    }
  } catch (...) {
    ::unlink(partial.c_str());
    throw;
  }
  sync_folder(path);
}

}  // namespace rl
