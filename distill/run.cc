#include "distill/run.h"

#include <algorithm>
#include <filesystem>
#include <ostream>

#include "distill/world_stage.h"

namespace distill {
namespace fs = std::filesystem;
namespace {

// Continuations of the first held-out prompts that the report shows of each model.
constexpr size_t kSamples = 2;

bool trains(const StageConfig& stage) { return !stage.method.name.empty(); }

double loss_of(const rl::Metrics& metrics) {
  double loss = 0;
  for (const auto& [name, value] : metrics) {
    if (name.find("/loss/") != std::string::npos) loss += value;
  }
  return loss;
}

StageOutcome outcome_of(const StageConfig& stage, const StageResult& result) {
  StageOutcome outcome;
  for (const Evaluation& evaluation : result.evaluations) {
    outcome.scores.push_back(evaluation.scores);
    const size_t count = std::min(kSamples, evaluation.continuations.size());
    for (size_t i = 0; i < count; ++i) {
      const Continuation& c = evaluation.continuations[i];
      outcome.samples.push_back({evaluation.scores.name, c.prompt, c.written, c.reference});
    }
  }
  if (trains(stage) && !outcome.scores.empty()) {
    outcome.scores.back().peak_memory_bytes = peak_memory_bytes();
  }
  return outcome;
}

// A row of a table of several stages tells what the training of its model took.
void add_costs(const RunFolder& folder, const RunConfig& run, const StageConfig& stage,
               std::vector<ModelScores>& rows) {
  for (ModelScores& row : rows) {
    std::string from = row.name == "teacher" && stage.teacher ? stage.teacher->stage : "";
    for (const auto& [name, model] : stage.evaluate.models) {
      if (name == row.name) from = model.stage;
    }
    if (from.empty()) continue;
    const StageOutcome trained = folder.outcome(run.stage(from));
    if (trained.scores.empty()) continue;
    row.wall_seconds = trained.scores.back().wall_seconds;
    row.tokens_generated = trained.scores.back().tokens_generated;
    row.peak_memory_bytes = trained.scores.back().peak_memory_bytes;
  }
}

// The rows of the stages that evaluate; of all stages where none does. A model is named once.
Report report_of(const RunConfig& run, const RunFolder& folder) {
  Report report;
  report.title = run.output;
  report.notes.push_back("Run file `" + run.file + "`, seed " + std::to_string(run.seed) +
                         ", device " + run.device + ".");
  const bool evaluates = std::any_of(run.stages.begin(), run.stages.end(), [](const auto& stage) {
    return stage.kind == StageKind::kEvaluate;
  });
  for (const StageConfig& stage : run.stages) {
    const std::string curve = folder.paths().folder(stage.name) + "/" + kLearningCurve;
    if (fs::exists(curve)) {
      report.pictures.push_back(
          {"Learning curve of " + stage.name, fs::relative(curve, run.output).generic_string()});
    }
    if (evaluates && stage.kind != StageKind::kEvaluate) continue;
    StageOutcome outcome = folder.outcome(stage);
    if (stage.kind == StageKind::kEvaluate) add_costs(folder, run, stage, outcome.scores);
    for (const ModelScores& row : outcome.scores) {
      const bool known = std::any_of(report.scores.begin(), report.scores.end(),
                                     [&](const ModelScores& r) { return r.name == row.name; });
      if (known) continue;
      report.scores.push_back(row);
      for (const SampleText& sample : outcome.samples) {
        if (sample.model == row.name) report.samples.push_back(sample);
      }
    }
  }
  // The samples of one prompt stand together.
  std::vector<std::string> prompts;
  for (const SampleText& sample : report.samples) {
    if (std::find(prompts.begin(), prompts.end(), sample.prompt) == prompts.end()) {
      prompts.push_back(sample.prompt);
    }
  }
  const auto place = [&](const SampleText& sample) {
    return std::find(prompts.begin(), prompts.end(), sample.prompt) - prompts.begin();
  };
  std::stable_sort(report.samples.begin(), report.samples.end(),
                   [&](const SampleText& a, const SampleText& b) { return place(a) < place(b); });
  return report;
}

void print(const Report& report, const std::string& folder, std::ostream& out) {
  if (!report.scores.empty()) out << '\n' << to_table(report.scores);
  std::string prompt;
  for (const SampleText& sample : report.samples) {
    if (sample.prompt != prompt) {
      out << "\n--- prompt\n" << sample.prompt << "\n--- as written\n" << sample.reference << '\n';
    }
    prompt = sample.prompt;
    out << "--- " << sample.model << '\n' << sample.written << '\n';
  }
  out << "\n" << folder << "/report.md\n" << std::flush;
}

StageEvents events_of(const StageConfig& stage, ProgressDisplay& display,
                      const std::function<bool()>& interrupted) {
  StageEvents events;
  events.say = [&display](const std::string& text) { display.say(text); };
  const char* unit = stage.world ? "steps" : stage.kind == StageKind::kStore ? "texts" : "tokens";
  events.update = [&display, unit,
                   steps = stage.kind == StageKind::kStore ? stage.retrieval.store.generated
                                                           : stage.train.steps](
                      const rl::Progress& now, double share, const rl::Metrics& metrics) {
    display.update({.step = now.updates,
                    .steps = steps,
                    .tokens = now.trained_steps,
                    .share = share,
                    .loss = loss_of(metrics),
                    .unit = unit});
  };
  events.interrupted = interrupted;
  return events;
}

}  // namespace

bool execute(const RunConfig& run, Existing existing, ProgressDisplay& display, std::ostream& out,
             const std::function<bool()>& interrupted, const StageFunction& stage_function) {
  RunFolder folder(run, existing);
  for (const StageConfig& stage : run.stages) {
    if (folder.state(stage) == StageState::kFinished) {
      display.say(stage.name + ": is finished");
      continue;
    }
    const std::string changes = folder.changes(stage);
    if (!changes.empty()) {
      display.say(stage.name + ": begins anew, for the run file has changed: " + changes);
    }
    folder.begin(stage);
    display.begin(stage.name, stage.train.log_every);
    reset_peak_memory();
    StageResult result;
    try {
      result = stage_function(run, stage, folder.paths(), events_of(stage, display, interrupted));
    } catch (...) {
      display.end();
      throw;
    }
    display.end();
    if (result.interrupted || interrupted()) {
      if (!result.interrupted) folder.finish(stage, outcome_of(stage, result));
      out << "interrupted; go on with --resume\n" << std::flush;
      return false;
    }
    folder.finish(stage, outcome_of(stage, result));
  }
  const Report report = report_of(run, folder);
  folder.write_report(to_markdown(report));
  print(report, run.output, out);
  return true;
}

}  // namespace distill
