#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace distill {

/// A path in the folder for temporary files that no other process uses.
inline std::string own_temp(const std::string& name) {
  return testing::TempDir() + "/" + std::to_string(getpid()) + "_" + name;
}

}  // namespace distill
