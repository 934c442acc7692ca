#pragma once

#include <string>

namespace envs {

/// The bytes of a file.
///
/// @throws std::runtime_error naming the file where it cannot be read.
std::string read_file(const std::string& path);

/// Writes a file beside and renames it, so that nobody sees half of it.
///
/// @throws std::runtime_error naming the file where it cannot be written.
void write_file(const std::string& path, const std::string& bytes);

}  // namespace envs
