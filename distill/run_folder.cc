#include "distill/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <stdexcept>

namespace distill {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kRecord = "stage.json";
constexpr const char* kLock = ".lock";

// Written beside and renamed, so that a kill or a full disk leaves the old one whole.
void write_file(const std::string& path, const std::string& text) {
  const std::string beside = path + ".new";
  std::ofstream file(beside, std::ios::binary);
  file << text;
  file.close();
  std::error_code error;
  if (file) fs::rename(beside, path, error);
  if (!file || error) {
    fs::remove(beside, error);
    throw std::runtime_error(path + ": cannot be written: " + std::strerror(errno));
  }
}

std::optional<Json> read_record(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  try {
    return Json::parse(text.str());
  } catch (const Json::exception&) {
    throw std::runtime_error(path + ": is damaged; remove it to do the stage again");
  }
}

// What decides on a stage's result. How often something is said or saved does not.
Json identity_of(const RunConfig& run, const StageConfig& stage) {
  Options options = to_options(stage);
  if (Value* train = options.find("train")) {
    for (const char* name : {"log_every", "checkpoint_every"}) train->as<Options>()->erase(name);
  }
  Json out = Json::parse(to_json(options));
  out["seed"] = run.seed;
  return out;
}

std::set<std::string> differences(const Json& a, const Json& b) {
  const Json one = a.flatten(), two = b.flatten();
  std::set<std::string> keys;
  const auto compare = [&](const Json& from, const Json& to) {
    for (const auto& [pointer, value] : from.items()) {
      if (to.contains(pointer) && to[pointer] == value) continue;
      std::string key = pointer.substr(1);
      std::replace(key.begin(), key.end(), '/', '.');
      keys.insert(key);
    }
  };
  compare(one, two);
  compare(two, one);
  return keys;
}

bool is_run(const fs::path& folder) {
  return fs::exists(folder / "config.yaml") || fs::exists(folder / kRecord);
}

bool holds_nothing(const fs::path& folder) {
  return std::all_of(
      fs::directory_iterator(folder), fs::directory_iterator(),
      [](const fs::directory_entry& entry) { return entry.path().filename() == kLock; });
}

// What a stage writes, and nothing else.
void clear_stage(const fs::path& folder) {
  for (const char* name : {kRecord, "metrics.jsonl", "checkpoints", "student"}) {
    fs::remove_all(folder / name);
  }
}

void clear_run(const fs::path& folder) {
  clear_stage(folder);
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!entry.is_directory() || !fs::exists(entry.path() / kRecord)) continue;
    clear_stage(entry.path());
    if (fs::is_empty(entry.path())) fs::remove(entry.path());
  }
  for (const char* name : {"config.yaml", "report.md"}) fs::remove(folder / name);
}

int lock(const std::string& folder) {
  const int file = open((folder + "/" + kLock).c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
  if (file < 0) {
    throw std::runtime_error(folder + ": cannot be written: " + std::strerror(errno));
  }
  if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(file);
    throw ConfigError(folder + ": another process is running in this folder");
  }
  return file;
}

}  // namespace

std::optional<std::string> RunFolder::refusal(const RunConfig& run, Existing existing) {
  const fs::path folder(run.output);
  if (!fs::exists(folder)) return std::nullopt;
  if (!fs::is_directory(folder)) return run.output + ": is a file, not a folder";
  if (!is_run(folder)) {
    if (holds_nothing(folder)) return std::nullopt;
    return run.output + ": holds files that are not a run; choose another output";
  }
  if (existing != Existing::kRefuse) return std::nullopt;
  return run.output +
         ": holds a run already; go on with it by --resume, or begin anew by --overwrite";
}

RunFolder::RunFolder(const RunConfig& run, Existing existing)
    : run_(run), paths_{.output = run.output, .is_single = run.is_single} {
  if (const auto reason = refusal(run, existing)) throw ConfigError(*reason);
  std::error_code error;
  fs::create_directories(run.output, error);
  if (error) throw std::runtime_error(run.output + ": cannot be made: " + error.message());
  lock_ = lock(run.output);
  if (is_run(run.output) && existing == Existing::kOverwrite) clear_run(run.output);
  write_file(run.output + "/config.yaml", to_yaml(to_options(run)));
}

RunFolder::~RunFolder() { close(lock_); }

std::string RunFolder::record_path(const std::string& stage) const {
  return paths_.folder(stage) + "/" + kRecord;
}

void RunFolder::write_record(const StageConfig& stage, const nlohmann::ordered_json& state) const {
  Json record{{"stage", stage.name}};
  record.update(state);
  record["config"] = identity_of(run_, stage);
  write_file(record_path(stage.name),
             record.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::string RunFolder::changes(const StageConfig& stage) const {
  const auto record = read_record(record_path(stage.name));
  if (!record) return "";
  std::string out;
  for (const std::string& key : differences(record->at("config"), identity_of(run_, stage))) {
    out += (out.empty() ? "" : ", ") + key;
  }
  return out;
}

StageState RunFolder::state(const StageConfig& stage) const {
  const auto record = read_record(record_path(stage.name));
  if (!record || !changes(stage).empty()) return StageState::kNew;
  return record->at("state") == "finished" ? StageState::kFinished : StageState::kBegun;
}

StageOutcome RunFolder::outcome(const StageConfig& stage) const {
  const auto record = read_record(record_path(stage.name));
  StageOutcome out;
  if (!record || !record->contains("scores")) return out;
  for (const Json& row : record->at("scores")) out.scores.push_back(scores_from_json(row.dump()));
  for (const Json& s : record->at("samples")) {
    out.samples.push_back({s.at("model"), s.at("prompt"), s.at("written"), s.at("reference")});
  }
  return out;
}

void RunFolder::forget(const StageConfig& stage) const {
  clear_stage(paths_.folder(stage.name));
  // Whatever was made from the stage's former result is no longer what the file describes.
  for (const StageConfig& other : run_.stages) {
    const auto& needs = other.needs;
    if (std::find(needs.begin(), needs.end(), stage.name) != needs.end()) forget(other);
  }
}

void RunFolder::begin(const StageConfig& stage) {
  if (state(stage) == StageState::kBegun) return;
  forget(stage);
  fs::create_directories(paths_.folder(stage.name));
  write_record(stage, {{"state", "begun"}});
}

void RunFolder::finish(const StageConfig& stage, const StageOutcome& outcome) {
  Json scores = Json::array(), samples = Json::array();
  for (const ModelScores& row : outcome.scores) scores.push_back(Json::parse(to_json(row)));
  for (const SampleText& s : outcome.samples) {
    samples.push_back({{"model", s.model},
                       {"prompt", s.prompt},
                       {"written", s.written},
                       {"reference", s.reference}});
  }
  write_record(stage, {{"state", "finished"}, {"scores", scores}, {"samples", samples}});
}

void RunFolder::write_report(const std::string& markdown) const {
  write_file(paths_.output + "/report.md", markdown);
}

}  // namespace distill
