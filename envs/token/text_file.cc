#include "envs/token/text_file.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace envs {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  if (in.peek() != std::ifstream::traits_type::eof()) bytes << in.rdbuf();
  const bool opened = in.is_open() && !std::filesystem::is_directory(path);
  if (!opened || in.bad() || bytes.fail()) throw std::runtime_error(path + ": cannot be read");
  return std::move(bytes).str();
}

void write_file(const std::string& path, const std::string& bytes) {
  const std::string beside = path + ".part";
  std::ofstream out(beside, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  std::error_code failed;
  if (out) std::filesystem::rename(beside, path, failed);
  if (!out || failed) throw std::runtime_error(path + ": cannot be written");
}

}  // namespace envs
