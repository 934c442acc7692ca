#include "distill/run_stage.h"

#include <filesystem>

#include "distill/retrieval_stage.h"
#include "distill/text_stage.h"
#include "distill/world_stage.h"

namespace distill {

StageResult run_stage(const RunConfig& run, const StageConfig& stage, const StagePaths& paths,
                      const StageEvents& events) {
  std::filesystem::create_directories(paths.folder(stage.name));
  switch (stage.kind) {
    case StageKind::kTokenizer:
      return train_tokenizer_stage(stage, paths);
    case StageKind::kPretrain:
    case StageKind::kDistill:
      return stage.world ? train_world_stage(run, stage, paths, events)
                         : train_text_stage(run, stage, paths, events);
    case StageKind::kClassifier:
    case StageKind::kSoftPrompt:
    case StageKind::kSoftPromptRl:
    case StageKind::kStore:
    case StageKind::kRetrieve:
      return run_label_stage(run, stage, paths, events);
    case StageKind::kEvaluate:
      break;
  }
  return stage.world ? score_world_stage(run, stage, paths, events)
                     : score_text_stage(run, stage, paths, events);
}

}  // namespace distill
