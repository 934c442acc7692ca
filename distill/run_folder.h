#pragma once

/// The folder that a run leaves behind:
///
///     config.yaml     every key of the run with the value it ended up with
///     report.md       the table
///     STAGE/          a folder for each stage; a run without `stages` has these directly:
///       stage.json      whether it is finished, its configuration, what it measured
///       metrics.jsonl   one object per update
///       checkpoints/
///       student/        the model, or the tokenizer, in the Hugging Face layout

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "distill/report.h"
#include "distill/run_config.h"
#include "distill/stage_paths.h"

namespace distill {

/// What to do where the folder holds a run already.
enum class Existing { kRefuse, kResume, kOverwrite };

/// What a finished stage leaves for the report.
struct StageOutcome {
  std::vector<ModelScores> scores;
  std::vector<SampleText> samples;
};

/// How far a stage has come.
enum class StageState { kNew, kBegun, kFinished };

class RunFolder {
 public:
  /// Takes possession of the run's folder: makes it, or looks what it holds, and writes config.yaml.
  ///
  /// @throws ConfigError where it holds a run and `existing` refuses that, or holds other files, or
  ///     is used by another process; std::runtime_error where it cannot be written.
  RunFolder(const RunConfig& run, Existing existing);
  ~RunFolder();

  /// Why the folder cannot be taken, if so.
  static std::optional<std::string> refusal(const RunConfig& run, Existing existing);
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const StagePaths& paths() const { return paths_; }

  /// How far the stage has come with its present configuration.
  StageState state(const StageConfig& stage) const;
  /// What has changed in the run file since the stage was begun, as "key, key"; empty for nothing.
  std::string changes(const StageConfig& stage) const;
  /// Of a finished stage.
  StageOutcome outcome(const StageConfig& stage) const;

  /// Notes that the stage runs. One that is new, or whose configuration has changed, begins with
  /// nothing of what was there, and so do the stages that need it.
  void begin(const StageConfig& stage);
  void finish(const StageConfig& stage, const StageOutcome& outcome);
  void write_report(const std::string& markdown) const;

 private:
  std::string record_path(const std::string& stage) const;
  void write_record(const StageConfig& stage, const nlohmann::ordered_json& state) const;
  void forget(const StageConfig& stage) const;

  RunConfig run_;
  StagePaths paths_;
  int lock_ = -1;
};

}  // namespace distill
