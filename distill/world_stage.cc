#include "distill/world_stage.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "agents/mlp_files.h"
#include "distill/components/components.h"
#include "distill/components/world_domain.h"
#include "distill/components/worlds.h"
#include "distill/registry.h"
#include "distill/stage_inputs.h"
#include "distill/svg.h"
#include "distill/training.h"
#include "distill/world_evaluation.h"
#include "rl/random.h"
#include "rl/torch.h"

namespace distill {
namespace {

using Policy = std::shared_ptr<agents::MlpPolicy>;

constexpr const char* kReturn = "evaluation/return";
constexpr const char* kSteps = "evaluation/environment_steps";

void expect_fits(const agents::MlpOptions& policy, const rl::EnvironmentSpec& world,
                 const ModelConfig& model) {
  const int64_t inputs = world.observation.shape.back();
  if (policy.inputs == inputs && policy.actions == world.action_count) {
    const rl::Tensor &its = policy.closed_actions, &worlds = world.closed_actions;
    if (its.defined() == worlds.defined() && (!its.defined() || its.equal(worlds))) return;
    throw error_at(model.mark, "a policy of a world whose states offer other actions");
  }
  throw error_at(model.mark, "a policy of " + std::to_string(policy.inputs) + " inputs and " +
                                 std::to_string(policy.actions) +
                                 " actions does not fit a world of " + std::to_string(inputs) +
                                 " and " + std::to_string(world.action_count));
}

class WorldStage {
 public:
  WorldStage(const RunConfig& run, const StageConfig& stage, const StagePaths& paths,
             const StageEvents& events)
      : run_(run), stage_(stage), paths_(paths), events_(events) {
    const auto world = make(/*restarts=*/false, "evaluation");
    spec_ = world->spec();
    if (stage.teacher) teacher_ = load(*stage.teacher, "teacher");
    if (stage.student) student_ = load(*stage.student, "student");
    task_ = {.make_world = [this] { return make(/*restarts=*/false, "evaluation"); },
             .teacher = teacher_,
             .episodes = stage.evaluate.episodes,
             .seed = seed()};
  }

  StageResult train();
  StageResult score() const;

 private:
  uint64_t seed() const { return static_cast<uint64_t>(run_.seed); }

  std::unique_ptr<rl::Environment> make(bool restarts, const std::string& role) const {
    return make_world(
        *stage_.world,
        {.seed = rl::role_key(seed(), role), .restarts = restarts, .threads = rl::core_count()});
  }

  Policy load(const ModelConfig& model, const std::string& role) const {
    if (!model.is_random()) {
      const Policy policy = agents::load_mlp(model_folder(model, paths_));
      expect_fits(policy->options(), spec_, model);
      return policy;
    }
    return std::make_shared<agents::MlpPolicy>(
        mlp_options(model, spec_, rl::role_key(seed(), role)));
  }

  rl::Threads threads() const;
  void draw_learning_curve() const;

  const RunConfig& run_;
  const StageConfig& stage_;
  const StagePaths& paths_;
  const StageEvents& events_;
  rl::EnvironmentSpec spec_;
  Policy teacher_, student_;
  WorldTask task_;
};

// Perceptrons are small: one shard, unless the run file asks for more. The number of shards, not that
// of the machine's cores, is what results may depend on.
rl::Threads WorldStage::threads() const {
  return {static_cast<int>(std::max<int64_t>(1, run_.threads.shards)),
          static_cast<int>(std::max<int64_t>(1, run_.threads.per_shard))};
}

void WorldStage::draw_learning_curve() const {
  const std::string folder = paths_.folder(stage_.name);
  std::ifstream metrics(folder + "/metrics.jsonl");
  Series series{.name = stage_.name, .x = {}, .y = {}};
  for (std::string line; std::getline(metrics, line);) {
    const auto values = nlohmann::json::parse(line);
    if (!values.contains(kReturn)) continue;
    series.x.push_back(values.at(kSteps).get<double>());
    series.y.push_back(values.at(kReturn).get<double>());
  }
  if (series.x.empty()) return;
  std::ofstream(folder + "/" + kLearningCurve)
      << line_chart(stage_.world->name + ": " + stage_.method.name, "steps in the world",
                    "mean return of greedy episodes", {series});
}

StageResult WorldStage::train() {
  const MethodSpec method = find_method(stage_.method).build(stage_.method.options);
  const AgentSpec& agent = method.stages.front().agent;
  if (!teacher_ && (needs_teacher(agent) || needs_responses(agent))) {
    throw error_at(stage_.mark, "method \"" + stage_.method.name +
                                    "\" learns from a teacher's opinion or episodes; the stage "
                                    "needs a teacher");
  }
  StageResult result;
  if (teacher_) result.evaluations.push_back({evaluate("teacher", teacher_, task_), {}});
  result.evaluations.push_back({evaluate("student before", student_, task_), {}});
  const WorldDomain domain(
      {.seed = seed(),
       .threads = threads(),
       .make_world = [this](bool restarts) { return make(restarts, "training"); },
       .student = student_,
       .teacher = teacher_,
       .demonstrations = stage_.demonstrations,
       .load_model =
           [this](const std::string& folder) {
             ModelConfig model;
             model.path = folder;
             model.mark = stage_.method.mark;
             return load(model, "reference");
           }});
  const Training training{
      .domain = domain,
      .seed = seed(),
      .threads = threads(),
      .measure = [this](const rl::Progress& now) {
        const double mean = greedy_returns(student_, task_).mean;
        return Training::Measured{
            {{kReturn, mean}, {kSteps, static_cast<double>(now.collected_steps)}}, -mean};
      }};
  const Learned learned = learn(agent, stage_.train, training, paths_.folder(stage_.name), events_);
  result.interrupted = learned.interrupted;
  if (result.interrupted) return result;
  draw_learning_curve();
  agents::save_mlp(*student_, paths_.product(stage_.name));
  result.evaluations.push_back({evaluate(stage_.name, student_, task_), {}});
  result.evaluations.back().scores.wall_seconds = learned.seconds;
  return result;
}

StageResult WorldStage::score() const {
  StageResult result;
  if (teacher_) result.evaluations.push_back({evaluate("teacher", teacher_, task_), {}});
  for (const auto& [name, model] : stage_.evaluate.models) {
    result.evaluations.push_back({evaluate(name, load(model, name), task_), {}});
  }
  return result;
}

}  // namespace

agents::MlpOptions mlp_options(const ModelConfig& model, const rl::EnvironmentSpec& world,
                               uint64_t seed) {
  agents::MlpOptions options{.inputs = world.observation.shape.back(),
                             .actions = world.action_count,
                             .hidden = {64, 64},
                             .value_head = false,
                             .seed = seed,
                             .closed_actions = world.closed_actions};
  std::string activation = "tanh";
  bind(model.config, {{"hidden", &options.hidden},
                      {"input_scale", &options.input_scale},
                      {"value_head", &options.value_head},
                      {"dueling", &options.dueling},
                      {"activation", &activation}});
  require_one_of(activation, {"tanh", "relu"}, model.config, "activation");
  options.activation = activation == "relu" ? agents::MlpOptions::Activation::relu
                                            : agents::MlpOptions::Activation::tanh;
  require(!options.hidden.empty() && std::all_of(options.hidden.begin(), options.hidden.end(),
                                                 [](int64_t width) { return width >= 1; }),
          model.config, "hidden: widths of at least 1");
  require(options.input_scale.empty() ||
              static_cast<int64_t>(options.input_scale.size()) == options.inputs,
          model.config, "input_scale: a number for each input of the world");
  return options;
}

StageResult train_world_stage(const RunConfig& run, const StageConfig& stage,
                              const StagePaths& paths, const StageEvents& events) {
  return WorldStage(run, stage, paths, events).train();
}

StageResult score_world_stage(const RunConfig& run, const StageConfig& stage,
                              const StagePaths& paths, const StageEvents& events) {
  return WorldStage(run, stage, paths, events).score();
}

}  // namespace distill
