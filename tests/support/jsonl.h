#pragma once

/// Reads the golden lines of tests/fixtures.

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace testing_support {

/// The values of a fixture with one JSON value per line, from the folder that the environment
/// variable DECANT_FIXTURES names, where it is set, else from tests/fixtures of the repository.
inline std::vector<nlohmann::json> read_jsonl(const std::string& relative_path) {
  const char* folder = std::getenv("DECANT_FIXTURES");
  const std::string path =
      std::string(folder != nullptr ? folder : DECANT_TEST_FIXTURES) + "/" + relative_path;
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot open the fixture " + path);
  std::vector<nlohmann::json> values;
  for (std::string line; std::getline(file, line);) values.push_back(nlohmann::json::parse(line));
  return values;
}

}  // namespace testing_support
