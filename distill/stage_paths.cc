#include "distill/stage_paths.h"

namespace distill {

std::string StagePaths::folder(const std::string& stage) const {
  return is_single ? output : output + "/" + stage;
}

std::string StagePaths::product(const std::string& stage) const {
  return folder(stage) + "/student";
}

}  // namespace distill
